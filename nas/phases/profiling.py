"""The phase that measures ops: on this machine and alone on it, or from a file of another."""

from __future__ import annotations

from random import Random

from kernels import profile
from kernels.ops import Op
from kernels.profile import Asked, Profile
from nas.phases.work import Work
from nas.runs.run import Run
from nas.times.latency import Latency, Sample, fit
from nas.times.whole import engine_of, timed, turns
from search_spaces.arch import Arch
from search_spaces.searched import searched

FITTED = 16  # random architectures that are measured whole, none of them a known one
PART, PART_OF = "profile.part.json", "profile.part.groups.json"


def latency_of(work: Work) -> Latency:
    """What the phase left."""
    return read_latency(work.run)


def read_latency(run: Run) -> Latency:
    found = run.get("latency.json")
    numbers = {name: found[name] for name in ("overhead_ns", "node_ns", "factor")}
    return Latency(profile.load(run.home / "profile.json"), **numbers)


def elsewhere(run: Run, threads: int) -> str | None:
    """Why programs that are timed now do not belong to the profile; None where they do."""
    here = profile.empty(Asked(threads=threads))
    there = read_latency(run).profile if run.has("latency.json") else here
    if there.same_place(here):
        return None
    mine, theirs = (
        f"{p.machine['name']}, core {p.core}, threads {p.threads}, {p.isa or 'any instruction set'}"
        for p in (here, there)
    )
    return f"not timed: the profile is of {theirs}; this is {mine}"


def measured_here(work: Work) -> bool:
    """Whether whole programs measured now belong to the profile: one machine, build, threads."""
    return latency_of(work).profile.same_place(profile.empty(_how(work)))


def profiling(work: Work) -> str:
    """Leaves profile.json and latency.json."""
    if work.asked.profile is not None:
        return _from_file(work)
    wanted = ops_of(work)
    found = _measured(work, wanted)
    latency, fitted_to = _fitted(work, found)
    profile.save(found, work.run.home / "profile.json")
    _keep(work, latency, fitted_to)
    for name in (PART, PART_OF):
        (work.run.home / name).unlink(missing_ok=True)
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    timed_here = f"{len(wanted)} ops and {len(fitted_to)} whole programs"
    doubt = f"; {found.doubt}" if found.doubt else ""
    return f"{timed_here}, {threads} of {found.machine['cpu']}{doubt}"


def ops_of(work: Work) -> list[Op]:
    """Of the space, and of the known architectures beside it."""
    return list(searched(work.space).ops)


def _how(work: Work) -> Asked:
    return Asked(threads=work.asked.threads)


def _measured(work: Work, wanted: list[Op]) -> Profile:
    home, how = work.run.home, _how(work)
    found, done = profile.empty(how), 0
    if work.run.has(PART) and work.run.has(PART_OF):
        before = profile.load(home / PART)
        if before.same_place(found):
            found, done = before, work.run.get(PART_OF)
    total = profile.groups(len(wanted)) + turns(FITTED)
    with work.screen.bar("profile") as bar:
        for entries in profile.measure(wanted, how, done):
            found, done = found.with_entries(entries), done + 1
            profile.save(found, home / PART)
            work.run.put(PART_OF, done)
            bar.at(done, total, f"{len(wanted)} ops, {profile.pass_of(len(wanted), done)}")
            work.check()
    return found


def _fitted(work: Work, found: Profile) -> tuple[Latency, list[str]]:
    """What lies between ops, from programs measured whole; the keys of these."""
    archs = _drawn(work)
    plans = [work.plan(arch) for arch in archs]
    engines = {n: engine_of(planned, _how(work)) for n, planned in enumerate(plans)}
    with work.screen.bar("profile") as bar:
        for done, times in enumerate(timed(engines), 1):  # noqa: B007
            bar.at(done, turns(len(plans)), f"{len(plans)} whole programs")
            work.check()
    latency = fit(found, [Sample(p, times[n].median_ns) for n, p in enumerate(plans)])
    return latency, [arch.key for arch in archs]


def _drawn(work: Work) -> list[Arch]:
    """Nothing that will be looked at is among them, unless it is drawn by chance, or the space is
    so small that it has little else."""
    rng, known = Random("whole programs"), {*work.known_archs.values()}
    drawn = [work.space.decode(work.space.sample(rng)) for _ in range(50 * FITTED)]
    others = [arch for arch in dict.fromkeys(drawn) if arch not in known]
    return (others if len(others) > 3 else drawn)[:FITTED]


def given(work: Work) -> tuple[Latency, list[str]]:
    """From a file, and the programs that it was fitted on; an error where ops are missing.

    A profile of another machine says nothing of what lies between ops, unless a run has it.
    """
    path = work.asked.profile
    assert path is not None
    found = profile.load(path)
    if found.threads != work.asked.threads:
        raise ValueError(
            f"{path} is of {found.threads} threads; got --threads {work.asked.threads}"
        )
    if found.part is not None:
        raise ValueError(
            f"{path} was stopped before its last pass over the ops; the same "
            "`python -m kernels profile` goes on with it"
        )
    missing = [op for op in ops_of(work) if op not in found.entries]
    if missing:
        raise ValueError(
            f"{path} lacks {len(missing)} ops of this search, the first of them {missing[0]}; "
            f"`python -m search_spaces ops {work.asked.space} --backbone {work.backbone}` lists "
            "them (--size, --channels and --classes, where the images are others), and "
            "`python -m kernels profile` measures what a profile lacks"
        )
    run = Run(path.parent)
    if path.name == "profile.json" and run.has("latency.json"):
        return read_latency(run), run.get("latency.json").get("fitted", [])
    return Latency(found), []


def _from_file(work: Work) -> str:
    latency, fitted_to = given(work)
    profile.save(latency.profile, work.run.home / "profile.json")
    _keep(work, latency, fitted_to)
    found = latency.profile
    plain = "" if latency != Latency(latency.profile) else "; what lies between ops is not in them"
    return f"{len(found.entries)} ops of {found.machine['cpu']}, from {work.asked.profile}{plain}"


def _keep(work: Work, latency: Latency, fitted_to: list[str]) -> None:
    work.run.put(
        "latency.json",
        {
            "overhead_ns": latency.overhead_ns,
            "node_ns": latency.node_ns,
            "factor": latency.factor,
            "fitted_on": len(fitted_to),
            "fitted": fitted_to,
        },
    )
