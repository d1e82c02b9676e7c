"""A light reader of C++: text without comments and strings, and where functions begin and end."""

import re

_TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*'",
    re.DOTALL)
_DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', re.MULTILINE)


def _blank(match):
    return re.sub(r'[^\n]', ' ', match.group(0))


def code_only(text):
    """`text` with comments, literals and directives blanked; lines and columns stay."""
    return _DIRECTIVE.sub(_blank, _TOKEN.sub(_blank, text))


def _scope_kind(head, enclosing):
    """What a '{' after `head` opens."""
    if enclosing in ('function', 'other'):
        return 'other'
    if re.search(r'\b(namespace|extern)\b', head) and '(' not in head:
        return 'namespace'
    if re.search(r'\benum\b', head):
        return 'other'
    if ')' in head and not re.search(r'=\s*$', head):
        return 'function'
    if re.search(r'\b(class|struct|union)\b', head):
        return 'class'
    return 'other'


class _Scanner:
    """Follows braces outside functions; a statement's text tells what the next '{' opens."""

    def __init__(self, text):
        self.text, self.found = text, []
        self.stack = []                 # (kind, first line of its statement, head)
        self.head, self.first_line = '', 0

    def run(self):
        line = 1
        for position, char in enumerate(self.text):
            if char == '\n':
                line += 1
            self._step(position, char, line)
        return self.found

    def _enclosing(self):
        return self.stack[-1][0] if self.stack else 'namespace'

    def _step(self, position, char, line):
        if char == '{':
            kind = _scope_kind(self.head, self._enclosing())
            self.stack.append((kind, self.first_line, self.head))
            self.head = ''
        elif char == '}' and self.stack:
            self._close(position, line)
        elif char == ';' and self._enclosing() in ('namespace', 'class'):
            self.head = ''
        elif not self.head.strip() and char.strip():
            self.head, self.first_line = char, line
        else:
            self.head += char

    def _close(self, position, line):
        kind, first_line, head = self.stack.pop()
        follows = self.text[position + 1:position + 400].lstrip()[:1]
        in_list = self._enclosing() in ('namespace', 'class') and follows and follows in ',{'
        if kind in ('function', 'other') and in_list:  # a member's initialiser: the head goes on
            self.head, self.first_line = head + '{}', first_line
            return
        if kind == 'function':
            self.found.append((' '.join(head.split())[:80], first_line, line))
        self.head = ''


def functions(text):
    """[(head, first line, last line)] of the functions outside other functions."""
    return _Scanner(code_only(text)).run()
