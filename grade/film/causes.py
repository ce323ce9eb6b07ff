"""What a fault in a film usually comes of, as far as it can be computed from the film itself."""

from __future__ import annotations

from grade.film.recorder import Recorder, Step
from grade.film.sentences import gs_owner
from grade.machine.intlog import Interrupt
from grade.machine.layout import PF_FETCH, PF_PRESENT, PF_WRITE


def likely_cause(film: Recorder) -> str:
    """In words; "" if nothing can be said."""
    step = next((each for each in film.steps if each.fault), None)
    if step is None:
        return ""
    through_gs = _through_gs(step, film)
    if through_gs:
        return through_gs
    fault = next((each for each in step.events if each.cr2 is not None), None)
    return _not_mapped(fault, step, film) if fault else ""


def _through_gs(step: Step, film: Recorder) -> str:
    """The kernel looks for its data through a GS that is not its own."""
    if step.before.cpl or film.places.number < 4 or "gs:" not in step.instruction.text:
        return ""
    owner = gs_owner(step.before.gs_base, film)
    if owner == "the kernel's" or not step.events:
        return ""
    return (f"the instruction goes through GS, and GS is {owner} (base {step.before.gs_base:#x}): "
            "a SWAPGS is missing before it, or one too many was made")


def _not_mapped(fault: Interrupt, step: Step, film: Recorder) -> str:
    """The tables in CR3 do not allow what others do."""
    assert fault.cr2 is not None
    area = film.places.area(fault.cr2).name
    allowed = {space.name: [str(each["rights"]) for each in space.maps[-1]["regions"]
                            if each["name"] == area]
               for space in film.spaces.found.values() if space.maps}
    tables = film.spaces.space(step.before.cr0, step.before.cr3)
    here = tables.name if tables else "none"
    if fault.error & PF_PRESENT:
        what = ("fetched" if fault.error & PF_FETCH else "written" if fault.error & PF_WRITE
                else "read")
        rights = " and ".join(allowed.get(here, [])) or "not mapped"
        return f"{area} is {rights} in {here}, and was {what}"
    others = [name for name, rights in allowed.items() if rights and name != here]
    if here in allowed and not allowed[here] and others:
        return (f"CR3 holds {here}, in which {area} is not mapped; in {' and '.join(others)} it "
                "is: the tables were not switched yet, or they were switched too early")
    return f"nothing is mapped at {fault.cr2:#x}"
