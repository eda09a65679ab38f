"""What clients ask on the way to a service: which locations there are, and whether an API is enabled (always).

`gcloud tasks` and `gcloud scheduler` without `--location` take the location of the project's App Engine application;
`gcloud run jobs deploy` first makes sure that the API is enabled. Called by the router; nothing here has a state.
"""

from localcloud.rest.router import Call, JsonObject, Route


class Discovery:
    """Answers for every project alike: one location, every API enabled."""

    def __init__(self, location: str) -> None:
        self._location = location

    @property
    def routes(self) -> list[Route]:
        """The methods of Service Usage, App Engine Admin and, in both versions, google.cloud.location."""
        return [
            Route("GET", "/v1/{name=projects/*}/locations", "ListLocations", self.list_locations),
            Route("GET", "/v2/{name=projects/*}/locations", "ListLocations", self.list_locations),
            Route("GET", "/v1/{project=projects/*}/locations/{location=*}", "GetLocation", self.get_location),
            Route("GET", "/v2/{project=projects/*}/locations/{location=*}", "GetLocation", self.get_location),
            Route("GET", "/v1/{name=projects/*/services/*}", "GetService", self.get_service),
            Route("GET", "/v1/apps/{app=*}", "GetApplication", self.get_application),
        ]

    def list_locations(self, call: Call) -> JsonObject:
        """ListLocations: the one that is the default. Any other will do as well."""
        return {"locations": [_location(call.path["name"], self._location)]}

    def get_location(self, call: Call) -> JsonObject:
        """GetLocation: any."""
        return _location(call.path["project"], call.path["location"])

    def get_service(self, call: Call) -> JsonObject:
        """Service Usage's GetService: enabled."""
        name = call.path["name"]
        return {"name": name, "config": {"name": name.rpartition("/")[2]}, "state": "ENABLED"}

    def get_application(self, call: Call) -> JsonObject:
        """App Engine's GetApplication, which says where the project is at home."""
        app = call.path["app"]
        return {"name": f"apps/{app}", "id": app, "locationId": self._location, "servingStatus": "SERVING"}


def _location(project: str, location: str) -> JsonObject:
    return {
        "name": f"{project}/locations/{location}",
        "locationId": location,
        "displayName": location,
        "labels": {"cloud.googleapis.com/region": location},
    }
