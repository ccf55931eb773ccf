"""Filling roles with people: one person fills one place, whatever keys and roles they have.

Which person should fill which role is a matching problem: alice may do release and review, bob only release. Taking
the first that fits could leave review empty although everybody needed has signed. Solved exactly, by augmenting paths;
at most 16 people sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airgap_bundle.trust.policy_model import Role


def fill_roles(roles: Sequence[Role], people: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Who fills which role, as many places as can be filled; each role's places are its threshold.

    Deterministic: earlier roles and people come first. A role with fewer people than its threshold is not filled.
    """
    places = [role for role in roles for _ in range(role.threshold)]
    order = {person: number for number, person in enumerate(dict.fromkeys(people))}
    holder: dict[int, str] = {}

    def place(person: str, tried: set[int]) -> bool:
        fitting = [number for number, role in enumerate(places) if person in role.signers]
        for number in fitting:
            if number not in holder:
                holder[number] = person
                return True
        # All taken: take one whose holder can move to another.
        for number in fitting:
            if number not in tried:
                tried.add(number)
                if place(holder[number], tried):
                    holder[number] = person
                    return True
        return False

    for person in order:
        place(person, set())
    filled: dict[str, list[str]] = {role.name: [] for role in roles}
    for number, person in holder.items():
        filled[places[number].name].append(person)
    return {name: tuple(sorted(found, key=order.__getitem__)) for name, found in filled.items()}
