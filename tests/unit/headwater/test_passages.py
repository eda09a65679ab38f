"""Excerpts of chunks, and what front matter says about a document."""

from headwater.passages import MAX_ABOUT_BYTES, about, excerpt


def test_excerpt_is_the_text_without_its_markup_after_the_header_of_its_table() -> None:
    assert excerpt("plain", ()) == "plain"
    assert excerpt("a %%b%% c", (2, 8)) == "a c"
    assert excerpt("<td>one</td><td>two</td>", (0, 4, 7, 16, 19, 24)) == "one two"
    assert excerpt("H<sub>2</sub>O", (1, 6, 7, 13)) == "H2O"
    assert excerpt("| 1 |", (), "  | a |\n  |---|") == "| a |\n|---|\n| 1 |"


def test_about_has_description_aliases_tags_and_keywords() -> None:
    front_matter = {
        "keywords": ["a", 1, {"b": "c"}, True],
        "description": "How  pumps\nwork.",
        "draft": True,
        "taxonomies": {"tags": ["water"]},
        "alias": "Pumps",
        "tags": None,
    }
    assert about(front_matter) == "How pumps work. Pumps a, 1 water"
    assert about({"title": "A"}) == ""


def test_about_is_cut_after_a_word() -> None:
    text = about({"description": "wörter " * 100})
    assert MAX_ABOUT_BYTES - 10 < len(text.encode()) <= MAX_ABOUT_BYTES
    assert text.endswith("wörter")
