"""The registry of demos: slug -> "module:attribute", imported only when a demo is asked for."""

DEMOS = {
    "stands": "demos.stands.demo:DEMO",
}
