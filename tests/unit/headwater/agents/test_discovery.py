"""Agents of packages and of a folder."""

from pathlib import Path

import pytest

from headwater.agents.discovery import find_agent, list_agents
from headwater.errors import PermanentError


def test_folder_need_not_exist(tmp_path: Path) -> None:
    assert list_agents(str(tmp_path / "missing")) == []
    with pytest.raises(PermanentError, match=r"The agent 'support' isn't installed any more\."):
        find_agent("support", str(tmp_path / "missing"))


def test_agent_of_a_file_is_described_by_its_docstring(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""Answers.\n\nMore."""\nraise SystemExit\n')
    (tmp_path / "b.py").write_text("this is no Python")
    agents = list_agents(str(tmp_path))
    assert [(agent.name, agent.description, agent.package) for agent in agents] == [
        ("a", "Answers.", "agents/a.py"),
        ("b", "", "agents/b.py"),
    ]
    assert find_agent("a", str(tmp_path)).target == str(tmp_path / "a.py")
