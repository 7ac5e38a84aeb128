"""The registry of demos: slug -> "module:attribute", imported only when a demo is asked for."""

DEMOS = {
    "renewables": "demos.renewables.demo:DEMO",
    "stands": "demos.stands.demo:DEMO",
}
