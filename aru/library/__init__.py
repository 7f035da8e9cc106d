"""What `import aru` offers: unlearning, figures and audits of a network and data of the caller's own, from Python."""
