"""Discovery methods that clients call first: locations, enabled APIs, the App Engine application. Stateless.

Without `--location`, `gcloud tasks` and `gcloud scheduler` use the location of the project's App Engine application.
`gcloud run jobs deploy` first checks that the API is enabled.
"""

from localcloud.rest.router import Call, JsonObject, Route


class Discovery:
    """The same answers for every project: one location, every API enabled."""

    def __init__(self, location: str) -> None:
        self._location = location

    @property
    def routes(self) -> list[Route]:
        """Methods of Service Usage, App Engine Admin and google.cloud.location (v1 and v2)."""
        return [
            Route("GET", "/v1/{name=projects/*}/locations", "ListLocations", self.list_locations),
            Route("GET", "/v2/{name=projects/*}/locations", "ListLocations", self.list_locations),
            Route("GET", "/v1/{project=projects/*}/locations/{location=*}", "GetLocation", self.get_location),
            Route("GET", "/v2/{project=projects/*}/locations/{location=*}", "GetLocation", self.get_location),
            Route("GET", "/v1/{name=projects/*/services/*}", "GetService", self.get_service),
            Route("GET", "/v1/apps/{app=*}", "GetApplication", self.get_application),
        ]

    def list_locations(self, call: Call) -> JsonObject:
        """ListLocations: the default location, though any other works too."""
        return {"locations": [_location(call.path["name"], self._location)]}

    def get_location(self, call: Call) -> JsonObject:
        """GetLocation: every location exists."""
        return _location(call.path["project"], call.path["location"])

    def get_service(self, call: Call) -> JsonObject:
        """GetService of Service Usage: always enabled."""
        name = call.path["name"]
        return {"name": name, "config": {"name": name.rpartition("/")[2]}, "state": "ENABLED"}

    def get_application(self, call: Call) -> JsonObject:
        """GetApplication of App Engine, with the default location."""
        app = call.path["app"]
        return {"name": f"apps/{app}", "id": app, "locationId": self._location, "servingStatus": "SERVING"}


def _location(project: str, location: str) -> JsonObject:
    return {
        "name": f"{project}/locations/{location}",
        "locationId": location,
        "displayName": location,
        "labels": {"cloud.googleapis.com/region": location},
    }
