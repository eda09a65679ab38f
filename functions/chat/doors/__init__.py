"""Other ways in than the web app's: the Model Context Protocol, and APIs in the shape of OpenAI's."""
