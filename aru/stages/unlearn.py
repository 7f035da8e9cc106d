"""Original model, forget and retain -> the unlearned model of a method other than ARU."""

from aru.core.names import ORIGINAL, UNLEARNED
from aru.methods.chosen import chosen
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job
from aru.stages.outputs import of_model, refuse_to_overwrite, write_model


def unlearn(job: Job) -> None:
    """Write unlearned/model.safetensors and history.json, with the method and its parameters; images are not counted.

    A method runs in one piece: where it is interrupted it begins anew.
    """
    refuse_to_overwrite(job, "unlearn", UNLEARNED)
    method, parameters = chosen(job.config)
    sets, model = read_sets(job), read_model(job, ORIGINAL)
    with of_model(UNLEARNED):
        unlearned = method.function(
            model, sets, parameters, seed=job.config.runtime.seed, compute=job.compute, progress=job.progress
        )
    made = {"method": method.name, "parameters": parameters.model_dump(mode="json")}
    write_model(job, "unlearn", UNLEARNED, unlearned, [], outputs=sets.retain.outputs, made=made)
