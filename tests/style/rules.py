"""The house's rules that a program can check. Each rule: (root, path, text) → findings.

A finding is "path:line: what is wrong and what to do". Paths are relative to the tree.
"""

import ast
import pathlib
import posixpath
import re
import subprocess

import cpp_source

MAX_FUNCTION, MAX_FILE, MAX_COLUMNS, MAX_README = 70, 500, 100, 25
MAX_MAIN, MAX_PARAMETERS = 150, 5

# Who may know whom (docs/ARCHITECTURE.md). A module always knows itself.
KNOWS = {
    'base': set(),
    'api': {'base'},
    'kube': {'base'},
    'plan': {'base'},
    'ledger': {'base'},
    'policy': {'base', 'ledger'},
    'job': {'base', 'api', 'kube', 'ledger', 'policy'},
    'output': {'base', 'ledger'},
    'report': {'base', 'ledger', 'output'},
    'worker': {'base', 'api', 'kube', 'job', 'plan', 'ledger', 'policy', 'output', 'report'},
    'operator': {'base', 'api', 'kube', 'job', 'plan', 'ledger', 'policy', 'output', 'report'},
    'cli': {'base', 'api', 'kube', 'job', 'plan', 'ledger', 'policy', 'output', 'report', 'worker'},
    'python': {'base', 'worker'},
}
# Headers that cost seconds to compile, and the folders whose .cc files may include them.
HEAVY = {
    'nlohmann/': ('src/base/json.h',),
    'httplib.h': (),
    'yaml-cpp/': (),
    'pybind11/': (),
    'sqlite3.h': (),
    'CLI/': (),
    'spdlog/': (),
    're2/': (),
    'openssl/': (),
    'base/json.h': ('src/kube/stored.h',),  # private to the .cc files of kube
}
# At most so many files of a program include these.
ONE_FILE = ('httplib.h', 'pybind11/', 'CLI/', 'spdlog/')
FOLDER_OF = {'yaml-cpp/': 'src/base/yaml_', 'pybind11/': 'python/', 'spdlog/': 'src/base/',
             'sqlite3.h': 'src/kube/', 'Python.h': 'python/'}

CPP = ('.cc', '.h')
TEXT = CPP + ('.py', '.sh', '.cmake', '.yaml', '.yml', '.md', '.txt', '.json')
OTHER = ('dev', '.ci/run', 'Dockerfile', 'LICENSE')
_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
# Written so that these lines do not find themselves.
# A program that plays a hanging one and is killed may name hundreds of seconds.
_SLEEP = re.compile(r'\b(sle[e]p_for|sle[e]p_until|usle[e]p|nanosle[e]p|time\.sle[e]p|sle[e]p)\s*\('
                    r'|\bsle[e]p [0-9.]{1,2}(?![0-9])')
# Waits for nothing but time. A short one between two looks at a state is right, and so is one that
# plays the work of a mini-batch; a longer one hopes that something has happened by then.
MAX_PAUSE = 0.1
_PAUSES = [(re.compile(pattern), unit) for pattern, unit in (
    (r'\bpoll\((?:nullptr|NULL|\{\}), 0, ([^()]*(?:\([^()]*\)[^()]*)*)\)', 0.001),
    (r'\bselect\(\[\], \[\], \[\], ([\d._]+)\)', 1),
    (r'\bEvent\(\)\.wait\((?:timeout=)?([\d._]+)\)', 1),
    (r'\bselect\((?:0|1), nullptr, nullptr, nullptr, ([^)]+)\)', 1),
)]
# Shows only that something has not happened yet; what it waits for is that time passes.
_NOT_YET = re.compile(
    r'\b(?:EXPECT|ASSERT)_(?:EQ|TRUE)\([^;]*?\bwait_(?:for|until)\([^;]*?_status::time' 'out'
    r'|\b(?:EXPECT|ASSERT)_FALSE\((?:\w+(?:::|\.))*WaitFor\('
    r'|\braises\((?:subprocess\.)?Timeout(?:Expired|Error)\):')
# Of std::filesystem: what throws, unless a std::error_code is its last argument.
_FS_CALL = re.compile(
    r'\b(?:fs|filesystem)::(?:absolute|canonical|weakly_canonical|relative|proximate|copy|copy_file'
    r'|copy_symlink|create_\w+|current_path|equivalent|exists|file_size|hard_link_count|is_\w+'
    r'|last_write_time|permissions|read_symlink|remove|remove_all|rename|resize_file|space|status'
    r'|symlink_status|temp_directory_path|(?:recursive_)?directory_iterator(?:\s+\w+)?)(?=\()')
_FS_ENTRY = re.compile(
    r'(?:->|\.)(?:is_directory|is_regular_file|is_symlink|file_size|last_write_time)\(\s*\)')
_FS_LOOP = re.compile(r'\bfor\s*\([^;()]*(?<!:):(?!:)\s*[\w:]*directory_iterator\b')
_FS_ITERATOR = re.compile(r'\bdirectory_iterator\s+(\w+)|\brecursive_directory_iterator\s+(\w+)')
_ERROR_CODE = re.compile(r'\berror_code\s*[*&]?\s*(\w+(?:\s*,\s*\w+)*)')
_LATER = re.compile(r'\b(TO' r'DO|FIX' r'ME|X' r'XX|HA' r'CK)\b')
_MACHINE = re.compile(r'(?<![\w.])/(root|home/\w+|wor' r'k/(main|shared))(/|\b)|\.py' r'env\b')


def module_of(path):
    """The module that a file belongs to; None for tests and the rest."""
    parts = pathlib.PurePosixPath(path).parts
    if len(parts) > 2 and parts[0] == 'src':
        return parts[1]
    return parts[0] if len(parts) > 1 and parts[0] in KNOWS else None


def includes(text):
    """[(line, header)]"""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _INCLUDE.match(line)
        if match:
            found.append((number, match.group(1)))
    return found


def file_length(path, text):
    lines = text.count('\n')
    if path.endswith(CPP + ('.py', '.sh', 'dev')) and lines > MAX_FILE:
        yield f'{path}:1: {lines} lines, at most {MAX_FILE}: split it by what it decides'


def main_length(path, text):
    lines = text.count('\n')
    if module_of(path) and pathlib.PurePath(path).name == 'main.cc' and lines > MAX_MAIN:
        yield f'{path}:1: {lines} lines, at most {MAX_MAIN}: main() only puts things together'


def parameters(head):
    """How many a function's head has."""
    inner = head[head.find('(') + 1:] if '(' in head else ')'
    depth, count, empty = 0, 1, True
    for char in inner:
        if char == ')' and depth == 0:
            break
        empty = empty and char.isspace()
        depth += {'(': 1, '[': 1, '{': 1, '<': 1, ')': -1, ']': -1, '}': -1, '>': -1}.get(char, 0)
        count += char == ',' and depth == 0
    return 0 if empty else count


def parameter_count(path, text):
    if module_of(path) is None or not path.endswith(CPP):
        return
    for head, first, _ in cpp_source.functions(text):
        if parameters(head) > MAX_PARAMETERS:
            yield (f'{path}:{first}: {parameters(head)} parameters, at most {MAX_PARAMETERS}: '
                   f'put them into a struct: {head}')


def function_length(path, text):
    if path.endswith(CPP):
        found = cpp_source.functions(text)
    elif path.endswith('.py'):
        found = [(node.name, node.lineno, node.end_lineno) for node in ast.walk(ast.parse(text))
                 if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    else:
        found = []
    for head, first, last in found:
        if last - first + 1 > MAX_FUNCTION:
            yield (f'{path}:{first}: {last - first + 1} lines, at most {MAX_FUNCTION}, '
                   f'in a function: {head}')


def module_includes(path, text):
    module = module_of(path)
    if module is None or not path.endswith(CPP):
        return
    for line, header in includes(text):
        other = header.split('/')[0]
        if other in KNOWS and '/' in header and other != module and other not in KNOWS[module]:
            yield (f'{path}:{line}: {module} may not know {other}; '
                   f'it knows {", ".join(sorted(KNOWS[module])) or "nobody"}')


def heavy_headers(path, text):
    if not path.endswith(CPP):
        return
    for line, header in includes(text):
        if header == 'nlohmann/json_fwd.hpp':  # the light half, made for headers
            continue
        for heavy, allowed in HEAVY.items():
            private = path in allowed or path.startswith('tests/')
            if header.startswith(heavy) and path.endswith('.h') and not private:
                yield f'{path}:{line}: <{header}> belongs in a .cc file behind a slim header'
        for prefix, folder in FOLDER_OF.items():
            if header.startswith(prefix) and not path.startswith((folder, 'tests/')):
                yield f'{path}:{line}: <{header}> is used only in {folder}*'


# What crashed on input that a user can write, and what is used instead.
_CRASHING = (
    (re.compile(r'\b(?:Json|json)::(?:parse|sax_parse|from_\w+)\s*\('), ('src/base/json',),
     'nests without a limit: use ParseJson of base/json.h'),
    (re.compile(r'\bYAML::Load'), ('src/base/yaml_',),
     'follows aliases without a budget: use base/yaml_doc.h'),
)


def crashing_parsers(path, text):
    if module_of(path) is None or not path.endswith(CPP):
        return
    for line, header in includes(text):
        if header in ('regex', 'regex.h'):
            yield f'{path}:{line}: <{header}> recurses on long subjects: use RE2'
    code = cpp_source.code_only(text)
    for pattern, allowed, why in _CRASHING:
        for match in pattern.finditer(code):
            if not (allowed and path.startswith(allowed)):
                yield f'{path}:{line_of(code, match)}: {match.group(0)} {why}'


def purpose_sentence(path, text):
    if not path.endswith('.h') or path.startswith('tests/'):
        return
    first = text.split('\n', 1)[0]
    if not re.match(r'// \S.*\S', first) or len(first.split()) < 4:
        yield f'{path}:1: a header starts with a // sentence that says what it is for'
    if '#pragma once' not in text:
        yield f'{path}:1: a header has #pragma once'


def no_waiting_in_tests(path, text):
    if not path.startswith('tests/') or path.startswith('tests/bench/'):
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = _SLEEP.search(line)
        if match and path.endswith(CPP + ('.py', '.sh')):
            yield f'{path}:{number}: {match.group(0)}: tests wait for a state with a deadline'


def seconds(text, unit):
    """A literal number of that unit; None for what has to be computed."""
    try:
        return float(text.replace("'", '').replace('_', '')) * unit
    except ValueError:
        return None


def no_waiting_for_time_in_tests(path, text):
    if not path.startswith('tests/') or path.startswith('tests/bench/'):
        return
    if not path.endswith(CPP + ('.py', '.sh')):
        return
    for pattern, unit in _PAUSES:
        for match in pattern.finditer(text):
            pause = seconds(match.group(1), unit)
            if pause is None or pause > MAX_PAUSE:
                yield (f'{path}:{line_of(text, match)}: {match.group(0)}: waits for nothing: '
                       f'look for a state, with pauses of at most {MAX_PAUSE} s and a deadline')
    for match in _NOT_YET.finditer(text):
        yield (f'{path}:{line_of(text, match)}: waits for a time to pass: '
               'make what happens instead visible and wait for that')


def last_argument(text, opening):
    """Of a call whose '(' is at `opening`; empty if it has none."""
    depth, begin = 0, opening + 1
    for position in range(opening, len(text)):
        char = text[position]
        if char in '([{':
            depth += 1
        elif char in ')]}':
            depth -= 1
            if depth == 0:
                return text[begin:position].strip()
        elif char == ',' and depth == 1:
            begin = position + 1
    return ''


def throwing_file_calls(path, text):
    """No exceptions across modules: a link in a circle, or a locked folder, ends in an Error."""
    if module_of(path) is None or not path.endswith(CPP):
        return
    code = cpp_source.code_only(text)
    way_out = 'throws: give it a std::error_code, and look at that'
    codes = {name.strip() for names in _ERROR_CODE.findall(code) for name in names.split(',')}
    for match in _FS_CALL.finditer(code):
        last = last_argument(code, match.end())
        ends = 'directory_iterator' in match.group(0) and not last
        if not ends and last.lstrip('*') not in codes:
            yield f'{path}:{line_of(code, match)}: {match.group(0)}() {way_out}'
    steps = '|'.join(name for names in _FS_ITERATOR.findall(code) for name in names if name)
    increment = re.compile(rf'\+\+(?:{steps})\b|\b(?:{steps})\+\+') if steps else None
    for pattern in filter(None, (_FS_ENTRY, _FS_LOOP, increment)):
        for match in pattern.finditer(code):
            yield f'{path}:{line_of(code, match)}: {match.group(0)} {way_out}'


def prints_that_throw(path, text):
    """A reader who has gone ends no run: cli/print.h knows what a failed write means."""
    if module_of(path) != 'cli' or not path.endswith(CPP):
        return
    code = cpp_source.code_only(text)
    for match in re.finditer(r'\bfmt::print\b|\bstd::(?:print|cout|cerr)\b', code):
        yield f'{path}:{line_of(code, match)}: {match.group(0)} throws: use cli/print.h'


def line_of(text, match):
    return text.count('\n', 0, match.start()) + 1


def columns(path, text):
    if not path.endswith(CPP + ('.py', '.sh', '.cmake', 'CMakeLists.txt')) and path != 'dev':
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_COLUMNS:
            yield f'{path}:{number}: {len(line)} columns, at most {MAX_COLUMNS}'


def nothing_left_for_later(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = _LATER.search(line)
        if match:
            yield f'{path}:{number}: {match.group(0)}: do it or leave it out'


def no_machine_paths(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = _MACHINE.search(line)
        if match:
            yield f'{path}:{number}: {match.group(0)}: a path of one machine'


FILE_RULES = (file_length, main_length, function_length, parameter_count,
              module_includes, heavy_headers, crashing_parsers,
              purpose_sentence, throwing_file_calls, prints_that_throw, no_waiting_in_tests,
              no_waiting_for_time_in_tests, columns, nothing_left_for_later, no_machine_paths)


def one_file_each(files):
    """`files`: path → text. A library's heavy header is included by one file of each program."""
    for heavy in ONE_FILE:
        users = {}
        for path, text in files.items():
            module = module_of(path)
            if module and any(header.startswith(heavy) for _, header in includes(text)):
                users.setdefault('src' if path.startswith('src/') else module, []).append(path)
        for where, paths in users.items():
            if len(paths) > 1:
                names = ', '.join(sorted(paths))
                yield f'{heavy} is included by {len(paths)} files of {where}: {names}'


def module_readmes(files):
    """Each module's folder has a short README.md."""
    for module in sorted({module_of(path) for path in files} - {None}):
        folder = module if module in ('worker', 'cli', 'operator', 'python') else f'src/{module}'
        text = files.get(f'{folder}/README.md')
        if text is None:
            yield f'{folder}/README.md is missing: what it is, its files, where a new thing goes'
        elif text.count('\n') > MAX_README:
            yield f'{folder}/README.md: {text.count(chr(10))} lines, at most {MAX_README}'


def anchors(text):
    """What links to headings of a page may be called, as GitHub makes it of them."""
    headings = re.findall(r'^#+ (.*)$', re.sub(r'^```.*?^```', '', text, flags=re.M | re.S), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def links(files):
    """Every link of a page leads to a file or folder of the tree, and to a heading there."""
    folders = {str(parent) for path in files for parent in pathlib.PurePath(path).parents}
    for path, text in files.items():
        if not path.endswith('.md'):
            continue
        for target in re.findall(r'\]\(([^)\s]+)\)', text):
            if re.match(r'[a-z]+:', target):
                continue
            page, _, heading = target.partition('#')
            there = path
            if page:
                there = posixpath.normpath(posixpath.join(posixpath.dirname(path), page))
            if there not in files and there not in folders:
                yield f'{path}: {target} leads nowhere'
            elif heading and heading not in anchors(files.get(there, '')):
                yield f'{path}: {target}: there is no such heading'


TREE_RULES = (one_file_each, module_readmes, links)


def tracked_files(root):
    """path → text of every text file of the tree."""
    listing = subprocess.run(['git', '-C', str(root), 'ls-files', '-z'], capture_output=True,
                             check=False)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.decode().split('\0') if name]
    else:  # an unpacked archive
        names = [str(path.relative_to(root)) for path in root.rglob('*') if path.is_file()]
    files = {}
    for name in sorted(names):
        path = root / name
        if (name.endswith(TEXT) or name in OTHER) and path.is_file():
            files[name] = path.read_text(encoding='utf-8', errors='replace')
    return files


def check_file(path, text):
    """All findings of one file."""
    return [finding for rule in FILE_RULES for finding in rule(path, text)]
