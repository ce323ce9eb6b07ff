"use strict";
// The film's face. All that comes from a kernel is put in as text: nothing here makes markup.

const film = JSON.parse(document.getElementById("film").textContent);
const steps = film.steps;
const $ = (id) => document.getElementById(id);
const DEPTHS = ["doors", "lines", "instructions"];
let depth = "doors";
let groups = [];
let at = 0; // which group
let theme = "";

// ---- Making elements ---------------------------------------------------------------------------

function make(name, classes, text, title) {
    const element = document.createElement(name);
    if (classes) element.className = classes;
    if (text !== undefined) element.textContent = text;
    if (title) element.title = title;
    return element;
}

function fill(parent, ...children) {
    parent.replaceChildren(...children.filter(Boolean));
    return parent;
}

function shortHex(value) {
    return value.replace(/^0+(?=.)/, "");
}

// A 64-bit number with its leading zeros, which are pale.
function hex(value) {
    const zeros = "0".repeat(Math.max(0, 16 - value.length));
    const cell = make("td", "value");
    return fill(cell, make("span", "zero", zeros), document.createTextNode(value));
}

// ---- The film: the state after each step -------------------------------------------------------

const codeOf = (step) => film.code[step.at] || { function: "", text: "", file: "", line: 0 };
const isC = (step) => /\.[ch]$/.test(codeOf(step).file);
const baseName = (name) => name.replace(/\+0x[0-9a-f]+$/, "");
const inside = (va, stack) => BigInt("0x" + va) >= BigInt("0x" + stack.bottom)
    && BigInt("0x" + va) < BigInt("0x" + stack.top);

// Registers, the words of each stack, and where each stack's RSP was when it was last used.
function stateAfter(last) {
    const state = { registers: { ...film.start }, points: { ...film.points }, names: {},
        stacks: new Map(), watched: new Map(), rsp: new Map() };
    for (const stack of film.stacks) {
        const words = new Map();
        for (const [va, word] of Object.entries(stack.older))
            words.set(va, { ...word, who: "", old: true });
        state.stacks.set(stack.name, words);
    }
    for (const word of film.watched) state.watched.set(word.va, word.value);
    if (film.first.stack) state.rsp.set(film.first.stack, film.start.rsp);
    for (let i = 0; i <= last; i++) {
        const step = steps[i];
        Object.assign(state.registers, step.set);
        for (const name of Object.keys(step.set)) state.points[name] = (step.points || {})[name] || "";
        Object.assign(state.names, step.names || {});
        for (const write of step.writes || []) {
            const words = state.stacks.get(write.stack);
            if (words) words.set(write.va, write);
            if (state.watched.has(write.va)) state.watched.set(write.va, write.value);
        }
        if (step.stack) state.rsp.set(step.stack, state.registers.rsp);
    }
    return state;
}

// ---- Depths: which steps are shown as one ------------------------------------------------------

const landmarkAt = new Map();
for (const mark of film.landmarks)
    landmarkAt.set(mark.step, [...(landmarkAt.get(mark.step) || []), mark]);
const strong = (i) => (landmarkAt.get(i) || []).some((mark) => mark.kind !== "call");

function sameLine(a, b) {
    const x = codeOf(a), y = codeOf(b);
    return x.line > 0 && x.file === y.file && x.line === y.line && a.depth === b.depth;
}

function group(kind) {
    const found = [];
    steps.forEach((step, i) => {
        const before = found[found.length - 1];
        const previous = steps[i - 1];
        const alone = kind === "instructions" || !before || step.cut || step.fault || previous.cut
            || strong(i) || strong(i - 1);
        const joined = !alone && (kind === "doors" ? isC(step) && isC(previous) : sameLine(step, previous));
        if (joined) before.to = i;
        else found.push({ from: i, to: i });
    });
    return found;
}

// ---- Lanes -------------------------------------------------------------------------------------

const ownerOfSpace = new Map(film.spaces.map((space) => [space.name, space.owner]));
const ownerOfStack = new Map(film.stacks.map((stack) => [stack.name, stack.owner]));
const LANES = [
    ["ring", (step) => String(step.ring), (step) => (step.ring === 3 ? "program" : "kernel")],
    ["tables", (step) => step.tables, (step) => ownerOfSpace.get(step.tables) || "none"],
    ["GS", (step) => step.gs, (step) => (/program/.test(step.gs) ? "program" : "kernel")],
    ["stack", (step) => step.stack, (step) => ownerOfStack.get(step.stack) || "none"],
    ["interrupts", (step) => (step.interrupts ? "on" : "off"), (step) => (step.interrupts ? "program soft" : "none")],
    ["code", (step) => (step.cut ? "…" : baseName(codeOf(step).function).replace(/\..*/, "")), (step) => step.owner + " soft"],
];

const LEGIBLE = 1.7; // per cent of the width; on less a word is only a smudge

function drawLanes() {
    const lanes = $("lanes");
    lanes.replaceChildren();
    const width = 100 / groups.length;
    for (const [name, value, owner] of LANES) {
        if (name === "GS" && !steps.some((step) => step.gs)) continue;
        lanes.append(make("div", "lane-name", name));
        const lane = make("div", "lane");
        let start = 0;
        groups.forEach((each, i) => {
            const step = steps[each.to];
            const next = groups[i + 1] && steps[groups[i + 1].to];
            if (next && value(next) === value(step)) return;
            const wide = (i + 1 - start) * width > LEGIBLE;
            const segment = make("div", "seg " + owner(step), wide ? value(step) : "", `${name}: ${value(step)}`);
            segment.style.left = start * width + "%";
            segment.style.width = (i + 1 - start) * width + "%";
            lane.append(segment);
            start = i + 1;
        });
        lanes.append(lane);
    }
    lanes.append(make("div", "lane-name", "landmarks"), drawMarks(width));
    const track = make("div", "track");
    const cursor = make("div");
    cursor.id = "cursor";
    track.append(cursor);
    lanes.append(track);
}

function drawMarks(width) {
    const marks = make("div", "marks");
    const differs = film.against && film.against.step;
    groups.forEach((each, i) => {
        const here = [];
        for (let step = each.from; step <= each.to; step++) here.push(...(landmarkAt.get(step) || []));
        if (!here.length) return;
        const kinds = here.map((mark) => mark.kind);
        const bad = kinds.includes("fault");
        const other = differs >= each.from && differs <= each.to;
        const mark = make("span", "mark " + kinds.join(" ") + (other ? " event" : ""), bad ? "✗" : other ? "≠" : "▲", here.map((each) => each.words).join("; "));
        mark.style.left = (i + 0.5) * width + "%";
        marks.append(mark);
    });
    return marks;
}

function goToPointer(event) {
    const track = document.querySelector(".track").getBoundingClientRect();
    const part = (event.clientX - track.left) / track.width;
    if (part >= 0 && part <= 1) go(Math.min(groups.length - 1, Math.floor(part * groups.length)));
}

// ---- The sentence ------------------------------------------------------------------------------

function sentence(here) {
    const last = steps[here.to];
    const box = $("sentence");
    const folded = here.to > here.from;
    const code = codeOf(last);
    const count = folded ? `${here.from + 1}–${here.to + 1} of ${steps.length}` : `${here.to + 1} of ${steps.length}`;
    const functions = new Set();
    for (let i = here.from; i <= here.to; i++) functions.add(baseName(codeOf(steps[i]).function));
    const text = last.cut ? "…" : folded && depth === "doors" ? `${baseName(codeOf(steps[here.from]).function)}()` : folded
        ? (sourceLine(code) || "").trim() : code.text;
    const say = !folded ? last.say : depth === "doors"
        ? `${here.to - here.from + 1} instructions in ${functions.size === 1 ? "one function" : functions.size + " functions"}: `
            + [...functions].join(", ") + "."
        : `${here.to - here.from + 1} instructions. ${last.say}`;
    const wrong = steps.slice(here.from, here.to + 1).some((step) => step.fault);
    box.className = (wrong ? "bad " : "") + last.owner;
    fill(box, make("span", "count", count), make("span", "text mono", text), make("span", "say", say),
        wrong || (at === groups.length - 1 && film.ending.kind !== "complete") ? ending() : null,
        at === groups.length - 1 && film.ending.kind === "complete"
            ? make("div", "ending", "✓ As expected: " + film.ending.words + ".") : null);
}

function ending() {
    const box = make("div", "ending");
    const cut = film.ending.kind === "cut";
    const wrong = steps.findIndex((step) => step.fault);
    const here = wrong >= groups[at].from && wrong <= groups[at].to;
    box.append(make("strong", "bad", cut ? "✂ " : here || wrong < 0 ? "✗ Here it goes wrong: " : `✗ It went wrong at step ${wrong + 1}: `),
        document.createTextNode(film.ending.words + ". "),
        make("span", "aside", "Expected: " + film.ending.expected + ". "));
    if (film.ending.hint) box.append(make("strong", "", "Likely cause: "), document.createTextNode(film.ending.hint + "."));
    if ((film.ending.details || []).length) {
        const list = make("ul");
        film.ending.details.forEach((line) => list.append(make("li", "mono", line)));
        box.append(list);
    }
    return box;
}

// ---- Code --------------------------------------------------------------------------------------

function sourceLine(code) {
    const source = film.sources[code.file];
    return source && source.lines[code.line - source.first];
}

const linesRun = new Map();
for (const code of Object.values(film.code))
    if (code.file) (linesRun.get(code.file) || linesRun.set(code.file, new Set()).get(code.file)).add(code.line);

function drawCode(here) {
    const last = steps[here.to];
    const code = codeOf(last);
    const source = film.sources[code.file];
    const title = $("code").querySelector("h2");
    const folded = here.to > here.from && depth === "doors";
    fill(title, document.createTextNode(last.cut ? "Not filmed" : source && !folded ? `${source.path}:${code.line} ` : "Code "),
        make("span", "aside", folded ? "C, folded: press 2 for its lines" : baseName(code.function)));
    if (folded) fill($("source"), ...callTree(here));
    else fill($("source"), ...(source ? sourceRows(source, code, last.fault) : [make("div", "row comment", last.cut || "There is no source here.")]));
    fill($("listing"), ...listingRows(here));
    for (const box of [$("source"), $("listing")]) {
        const now = box.querySelector(".now");
        if (now) box.scrollTop = now.offsetTop - box.offsetTop - box.clientHeight * 0.42;
    }
}

function sourceRows(source, code, wrong) {
    return source.lines.map((text, i) => {
        const number = source.first + i;
        const now = number === code.line;
        const comment = /^\s*(;|\/\*|\*|\/\/)/.test(text);
        const row = make("div", `row${comment ? " comment" : ""}${linesRun.get(code.file).has(number) ? " ran" : ""}${now ? " now" : ""}${now && wrong ? " wrong" : ""}`);
        if (now) row.setAttribute("aria-current", "step");
        return fill(row, make("span", "no", String(number)), make("span", "", text));
    });
}

function callTree(here) {
    const rows = [];
    for (let i = here.from; i <= here.to; i++) {
        const code = codeOf(steps[i]);
        const name = baseName(code.function);
        const before = rows[rows.length - 1];
        if (before && before.name === name) before.count++;
        else rows.push({ name, count: 1, depth: steps[i].depth, file: code.file, line: code.line });
    }
    const least = Math.min(...rows.map((row) => row.depth));
    return rows.map((row) => fill(make("div", "row"),
        make("span", "", "    ".repeat(Math.min(8, row.depth - least)) + row.name),
        make("span", "aside", `${row.file}:${row.line} · ${row.count}`)));
}

function listingRows(here) {
    const rows = [];
    const first = Math.max(0, here.from - 5), end = Math.min(steps.length - 1, here.to + 6);
    for (let i = first; i <= end; i++) {
        if (here.to - here.from > 40 && i > here.from + 20 && i < here.to - 18) {
            if (i === here.from + 21) rows.push(make("div", "row now", "    ⋮"));
            continue;
        }
        const code = codeOf(steps[i]);
        const now = i >= here.from && i <= here.to;
        const row = make("div", "row" + (now ? " now" : i < here.from ? " past" : "") + (now && steps[i].fault ? " wrong" : ""));
        row.append(make("span", "at", steps[i].cut ? "…" : code.function, code.function),
            make("span", "", code.text + (steps[i].delivered ? "   ⚡" : "")));
        rows.push(row);
    }
    return rows;
}

// ---- Registers ---------------------------------------------------------------------------------

const FLAGS = [[0n, "CF"], [2n, "PF"], [6n, "ZF"], [7n, "SF"], [8n, "TF"], [9n, "IF"], [10n, "DF"], [11n, "OF"],
    [14n, "NT"], [18n, "AC"]];
const SYSTEM = ["rip", "rsp", "rflags", "cs", "cr3", "cr2", "gs_base", "k_gs_base", "fs_base"];
const GENERAL = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const CONTROL = ["cr0", "cr4", "efer"];
const LABELS = { gs_base: "gs", k_gs_base: "k_gs", fs_base: "fs" };

function flags(value) {
    const bits = BigInt("0x" + value);
    return FLAGS.filter(([bit]) => bits >> bit & 1n).map(([, name]) => name).join(" ") || "no flag";
}

function meaning(name, state, last) {
    const value = state.registers[name];
    if (name === "rflags") return flags(value);
    if (name === "cs") return `ring ${parseInt(value, 16) & 3}`;
    if (name === "cr3") return last.tables;
    if (name === "gs_base") return last.gs;
    if (name === "rsp") return last.stack;
    const label = state.names[name] || "";
    return label === `program's ${name}` ? "program's" : label || state.points[name] || "";
}

function drawRegisters(here, state) {
    const last = steps[here.to];
    const changed = new Set();
    for (let i = here.from; i <= here.to; i++) Object.keys(steps[i].set).forEach((name) => changed.add(name));
    const table = make("table");
    const rows = (names) => names.forEach((name) => {
        const row = make("tr", changed.has(name) ? "new" : "");
        row.append(make("th", "", LABELS[name] || name), hex(state.registers[name]),
            make("td", "means", meaning(name, state, last), meaning(name, state, last)));
        row.firstChild.scope = "row";
        if (changed.has(name)) row.setAttribute("aria-label", `${name}, just changed`);
        table.append(row);
    });
    rows(SYSTEM);
    if (film.lab === 1) rows(CONTROL);
    const gap = make("tr", "gap");
    const line = make("td");
    line.colSpan = 3;
    gap.append(line);
    table.append(gap);
    rows(GENERAL);
    fill($("registers").querySelector("div"), table, watched(here, state));
}

function watched(here, state) {
    if (!film.watched.length) return null;
    const fresh = new Set();
    for (let i = here.from; i <= here.to; i++) (steps[i].writes || []).forEach((write) => write.changed && fresh.add(write.va));
    const table = make("table");
    for (const word of film.watched) {
        const value = state.watched.get(word.va);
        const row = make("tr", fresh.has(word.va) ? "new" : "");
        row.append(make("th", "", word.name), value ? hex(value) : make("td", "value zero", "not seen yet"));
        table.append(row);
    }
    const box = make("div");
    box.append(make("h2", "", "The kernel's notes"), table);
    return box;
}

// ---- Stacks ------------------------------------------------------------------------------------

const MOST_WORDS = 34, MOST_OLDER = 6;

function drawStacks(here, state) {
    const last = steps[here.to];
    const written = new Set(), read = new Set();
    for (let i = here.from; i <= here.to; i++) {
        (steps[i].writes || []).forEach((write) => written.add(write.stack + write.va));
        (steps[i].reads || []).forEach((va) => read.add(va));
    }
    const used = film.stacks.filter((stack) => state.rsp.has(stack.name) && stack.owner !== "none");
    const box = $("stacks").querySelector("div");
    const columns = [make("div"), make("div")];
    for (const stack of used) {
        const here = stack.name === last.stack;
        const drawn = drawStack(stack, state, here, written, read);
        columns[stack.owner === "kernel" && used.length > 1 ? 1 : 0].append(drawn);
    }
    columns[1].className = "wide";
    fill(box, ...columns.filter((column) => column.children.length));
}

// The words of a stack from RSP up, the oldest first: the stack grows downwards here, too.
function liveWords(stack, state) {
    const rsp = BigInt("0x" + state.rsp.get(stack.name));
    const live = [...state.stacks.get(stack.name)].filter(([va]) => BigInt("0x" + va) >= rsp)
        .sort((a, b) => (BigInt("0x" + a[0]) < BigInt("0x" + b[0]) ? 1 : -1));
    const older = live.findIndex(([, word]) => !word.old);
    const first = older < 0 ? live.length - MOST_OLDER : older - MOST_OLDER;
    return [live, live.slice(Math.max(0, first, live.length - MOST_WORDS))];
}

// What comes last in a narrow cell may be cut off: whose register it is, not which.
function whatCell(word, va) {
    const whole = word.what || (word.old ? "older" : "a word");
    const [, whose, name] = whole.match(/^(program's|kernel's) (.*)$/) || [null, "", whole];
    const cell = make("td", "what", name, `${va}: ${whole}${word.who ? ", by " + word.who : ""}`);
    if (whose) cell.append(make("span", "who", " " + whose));
    return cell;
}

function drawStack(stack, state, here, written, read) {
    const box = make("div", here ? "stack here" : "stack");
    const head = make("h3");
    head.append(make("span", "tag " + stack.owner, stack.name), make("span", "aside", here ? "◀ RSP" : ""));
    const [live, shown] = liveWords(stack, state);
    const table = make("table");
    let who = "";
    for (const [va, word] of shown) {
        if ((word.who || "") !== who && word.who) {
            const row = make("tr", "by");
            const cell = make("td", "", word.who === "CPU" ? "by the processor" : "by " + word.who);
            cell.colSpan = 2;
            row.append(cell);
            table.append(row);
        }
        who = word.who || "";
        const fresh = written.has(stack.name + va);
        const row = make("tr", `${fresh ? "new" : read.has(va) ? "read" : ""}${word.old ? " old" : ""}`);
        row.append(whatCell(word, va), make("td", "value", shortHex(word.value)));
        table.append(row);
    }
    box.append(head);
    if (live.length > shown.length) box.append(make("div", "more", `⋮ ${live.length - shown.length} older words`));
    box.append(table);
    if (!live.length) box.append(make("div", "more", "empty"));
    return box;
}

// ---- Address spaces ----------------------------------------------------------------------------

function regionsAt(space, step) {
    let found = [], changed = -2;
    for (const map of space.maps) if (map.step <= step) [found, changed] = [map.regions, map.step];
    return [found, changed];
}

function before(space, step) {
    let found = null;
    for (const map of space.maps) if (map.step < step) found = map.regions;
    return found;
}

function drawSpaces(here, state) {
    const last = steps[here.to];
    const panel = $("spaces").querySelector("div");
    const seen = film.spaces.filter((space) => space.maps.length && space.maps[0].step <= here.to);
    if (!seen.length) {
        fill(panel, make("p", "more", "Paging is off: an address is a place in memory."));
        return;
    }
    const columns = seen.slice(-4);
    const table = make("table");
    const head = make("tr");
    head.append(make("th"));
    for (const space of columns) {
        const cell = make("th", space.name === last.tables ? "here" : "", (space.name === last.tables ? "▼ " : "") + space.name);
        cell.scope = "col";
        cell.append(make("small", "mono", space.root));
        head.append(cell);
    }
    const top = make("thead");
    top.append(head);
    table.append(top);
    const chips = chipsOf(here, state, last);
    const maps = columns.map((space) => regionsAt(space, here.to)[0]);
    for (const name of rowNames(maps, chips)) {
        const row = make("tr");
        const title = make("th", "", name);
        title.scope = "row";
        row.append(title);
        columns.forEach((space, i) => row.append(cellOf(space, maps[i].filter((each) => each.name === name), name, here, last, chips)));
        table.append(row);
    }
    table.className = columns.length > 2 ? "many" : "";
    fill(panel, table);
}

// The names of all regions, the highest address first; and that of an address that no map has.
function rowNames(maps, chips) {
    const places = new Map();
    for (const map of maps) for (const each of map) {
        const start = BigInt("0x" + each.start);
        if (!places.has(each.name) || places.get(each.name) > start) places.set(each.name, start);
    }
    for (const chip of chips) if (chip.area && !places.has(chip.area)) places.set(chip.area, BigInt("0x" + chip.va));
    return [...places].sort((a, b) => (a[1] < b[1] ? 1 : -1)).map(([name]) => name);
}

function chipsOf(here, state, last) {
    const chips = [{ name: "RIP", va: state.registers.rip, area: last.areas.rip },
        { name: "RSP", va: state.registers.rsp, area: last.areas.rsp }];
    if (last.areas.cr2) chips.push({ name: "CR2", va: state.registers.cr2, area: last.areas.cr2, bad: true });
    if (last.areas.read) chips.push({ name: "r", area: last.areas.read, va: "0" });
    if (last.areas.write) chips.push({ name: "w", area: last.areas.write, va: "0" });
    return chips;
}

function cellOf(space, regions, name, here, last, chips) {
    const current = space.name === last.tables;
    const mine = current ? chips.filter((chip) => chip.area === name) : [];
    const cell = make("td", regions.length ? regions[0].owner : "absent");
    if (current) cell.classList.add("here");
    for (const chip of mine) cell.append(make("span", "chip" + (chip.bad ? " bad" : ""), chip.name));
    if (mine.some((chip) => chip.bad)) cell.classList.add("missed");
    if (!regions.length) cell.append(make("span", "", "not mapped"));
    for (const each of regions) {
        const line = make("div", "", each.rights + " ", `${each.start} to ${each.end}, ${each.size}`);
        line.append(make("span", "size", each.size));
        cell.append(line);
    }
    const old = before(space, here.from);
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    if (old && !same(old.filter((each) => each.name === name), regions)) {
        cell.classList.add("changed");
        cell.append(make("div", "", "▸ changed"));
    }
    return cell;
}

// ---- Moving ------------------------------------------------------------------------------------

function go(number) {
    at = Math.max(0, Math.min(groups.length - 1, number));
    const here = groups[at];
    const state = stateAfter(here.to);
    sentence(here);
    drawCode(here);
    drawRegisters(here, state);
    drawStacks(here, state);
    drawSpaces(here, state);
    const cursor = $("cursor");
    cursor.style.left = (at * 100) / groups.length + "%";
    cursor.style.width = 100 / groups.length + "%";
    for (const option of $("landmarks").options) option.selected = Number(option.value) >= here.from && Number(option.value) <= here.to;
    history.replaceState(null, "", `#${depth},${here.to + 1}`);
}

function goToStep(step) {
    go(groups.findIndex((each) => step <= each.to));
}

function goToLandmark(direction) {
    const here = groups[at];
    const marks = film.landmarks.map((mark) => mark.step);
    const next = direction > 0 ? marks.find((step) => step > here.to) : marks.filter((step) => step < here.from).pop();
    if (next !== undefined) goToStep(next);
    else go(direction > 0 ? groups.length - 1 : 0);
}

function setDepth(kind, step) {
    depth = kind;
    groups = group(kind);
    for (const button of document.querySelectorAll("[data-depth]"))
        button.setAttribute("aria-pressed", String(button.dataset.depth === kind));
    drawLanes();
    goToStep(step);
}

function turnTheme() {
    const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    theme = dark ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
}

function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT" || $("keys").open) return;
    const actions = {
        ArrowRight: () => (event.shiftKey ? goToLandmark(1) : go(at + 1)),
        ArrowLeft: () => (event.shiftKey ? goToLandmark(-1) : go(at - 1)),
        Home: () => go(0),
        End: () => go(groups.length - 1),
        1: () => setDepth("doors", groups[at].to),
        2: () => setDepth("lines", groups[at].to),
        3: () => setDepth("instructions", groups[at].to),
        t: turnTheme,
        T: turnTheme,
        "?": () => $("keys").showModal(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
}

// From the address of the page: #doors,12 is step 12, shown with C folded.
function followLink() {
    const [kind, step] = location.hash.slice(1).split(",");
    setDepth(DEPTHS.includes(kind) ? kind : "doors", Math.max(0, Math.min(steps.length, Number(step) || 1) - 1));
}

function listLandmarks() {
    const first = make("option", "", "a landmark");
    first.value = -1;
    $("landmarks").append(first);
    for (const mark of film.landmarks) {
        const option = make("option", "", `${mark.step + 1}: ${mark.words}`);
        option.value = mark.step;
        $("landmarks").append(option);
    }
}

document.addEventListener("keydown", onKey);
document.querySelectorAll("[data-depth]").forEach((button) =>
    button.addEventListener("click", () => setDepth(button.dataset.depth, groups[at].to)));
$("forward").addEventListener("click", () => go(at + 1));
$("back").addEventListener("click", () => go(at - 1));
if ($("differs")) $("differs").addEventListener("click", () => goToStep(film.against.step));
$("theme").addEventListener("click", turnTheme);
$("help").addEventListener("click", () => $("keys").showModal());
$("landmarks").addEventListener("change", (event) => Number(event.target.value) >= 0 && goToStep(Number(event.target.value)));
$("lanes").addEventListener("pointerdown", (event) => { goToPointer(event); $("lanes").setPointerCapture(event.pointerId); });
$("lanes").addEventListener("pointermove", (event) => event.buttons && goToPointer(event));
window.addEventListener("hashchange", followLink);
listLandmarks();
followLink();
