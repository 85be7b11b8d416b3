"""Assistants with the provider's tools."""

from threadmill import Assistant, CodeInterpreter, FileSearch, WebSearch


def visit_url(url: str) -> str:
    """Fetch the content of a URL."""
    return f"content of {url}"


plotter = Assistant(name="plotter", tools=[CodeInterpreter, visit_url])
librarian = Assistant(name="librarian", tools=[FileSearch(vector_store_ids=["vs_books"])])
surfer = Assistant(
    name="surfer", tools=[WebSearch(search_context_size="low", user_location={"city": "Bath"})]
)
reader = Assistant(name="reader", tools=[CodeInterpreter, FileSearch])
