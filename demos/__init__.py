"""The registry of demos: slug -> "module:attribute", imported only when a demo is asked for, and of their own verbs.

A verb is a function with typer's annotations, in a module that imports nothing heavy: the command line reads it.
"""

DEMOS = {
    "clip_retrieval": "demos.clip_retrieval.demo:DEMO",
    "coevolution": "demos.coevolution.demo:DEMO",
    "diffusion": "demos.diffusion.demo:DEMO",
    "private_training": "demos.private_training.demo:DEMO",
    "renewables": "demos.renewables.demo:DEMO",
    "stands": "demos.stands.demo:DEMO",
}

VERBS = {
    "explain": "demos.stands.verb:explain",
    "generate": "demos.diffusion.verb:generate",
    "ledger": "demos.private_training.verb:ledger",
    "search": "demos.clip_retrieval.verb:search",
    "students": "demos.coevolution.verb:students",
}
