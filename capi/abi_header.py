"""Reads hadal.h, which is written in restricted C, and holds it to the rules of a stable interface.

The parser knows only what the header may contain; anything else is an error, so that bindings and
tests can be generated from what it returns.
"""

import collections
import re

SCALARS = {'int32_t': 4, 'uint32_t': 4, 'int64_t': 8, 'uint64_t': 8, 'size_t': 8, 'float': 4,
           'double': 8, 'hadal_status': 4}
POINTER_BYTES = 8
# What a host supplies; the only structs with functions in them.
VTABLES = {'hadal_allocator', 'hadal_executor', 'hadal_io', 'hadal_log_sink'}
# Functions of the library itself; every other name is hadal_<handle>_<verb>.
OF_THE_LIBRARY = {'hadal_abi_version', 'hadal_build_info', 'hadal_status_name',
                  'hadal_option_find', 'hadal_option_describe',
                  'hadal_convert', 'hadal_convert_plan'}  # the verb is the object
DIRECTIVES = {
    '#ifndef HADAL_H', '#define HADAL_H', '#include <stddef.h>', '#include <stdint.h>',
    '#if defined(HADAL_STATIC)', '#elif defined(_WIN32) && defined(HADAL_BUILDING)',
    '#elif defined(_WIN32)', '#else', '#endif', '#ifdef __cplusplus', '#define HADAL_API',
    '#define HADAL_API __declspec(dllexport)', '#define HADAL_API __declspec(dllimport)',
    '#define HADAL_API __attribute__((visibility("default")))'}

Token = collections.namedtuple('Token', 'kind text line end_line')
Parameter = collections.namedtuple('Parameter', 'type name')
Function = collections.namedtuple('Function', 'name returns parameters tag since line')
Member = collections.namedtuple('Member', 'type name offset size')
Struct = collections.namedtuple('Struct', 'name members size line')
Constant = collections.namedtuple('Constant', 'name value comment line')


class HeaderError(Exception):
    """The header says something that the rules do not allow."""


def fail(line, text):
    raise HeaderError('hadal.h:%d: %s' % (line, text))


def tokenize(source):
    pattern = re.compile(r'(?P<comment>/\*.*?\*/)|(?P<directive>^[ \t]*\#[^\n]*)|'
                         r'(?P<word>[A-Za-z_]\w*)|(?P<number>-?\d\w*)|(?P<string>"[^"\n]*")|'
                         r'(?P<punct>[{}()\[\];,=*])|(?P<space>\s+)', re.S | re.M)
    position = 0
    line = 1
    while position < len(source):
        match = pattern.match(source, position)
        if not match:
            fail(line, 'unexpected %r (comments are /* ... */)' % source[position])
        text = match.group()
        kind = match.lastgroup
        if kind == 'directive':
            text = re.sub(r'/\*.*?\*/', '', text)
        if kind != 'space':
            yield Token(kind, text.strip(), line, line + text.count('\n'))
        line += match.group().count('\n')
        position = match.end()


class Header:
    """functions, structs, constants, handles, callbacks, version; in the order of the header."""

    def __init__(self, source):
        self.functions, self.structs, self.constants = [], [], []
        self.handles, self.callbacks, self.aliases = [], {}, []
        self.tokens = list(tokenize(source))
        self.at = 0
        self.version = None
        self.abi_version = None
        self._parse()
        self._check()

    # ---- Reading -----------------------------------------------------------------------------

    def _peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else Token('end', '', 0, 0)

    def _next(self, wanted=None):
        token = self._peek()
        if token.kind == 'end':
            fail(self.tokens[-1].line, 'the header ends inside a declaration')
        if wanted and token.text != wanted:
            fail(token.line, 'wanted %r, found %r' % (wanted, token.text))
        self.at += 1
        return token

    def _until(self, stop):
        """The tokens up to `stop` outside parentheses and braces, without comments."""
        depth, found = 0, []
        while True:
            token = self._next()
            if token.kind == 'directive':
                fail(token.line, 'a directive inside a declaration')
            if token.text in ('(', '{', '['):
                depth += 1
            if token.text in (')', '}', ']'):
                depth -= 1
            if depth == 0 and token.text == stop:
                return found
            if token.kind != 'comment':
                found.append(token)

    def _parse(self):
        depth = 0
        before = None
        while self._peek().kind != 'end':
            token = self._next()
            if token.kind == 'comment':
                before = token
                continue
            if token.kind == 'directive':
                depth = self._directive(token, depth)
            elif token.text == 'extern':
                self._next('"C"')
                self._next('{')
            elif token.text == '}':
                pass  # of extern "C", inside #ifdef __cplusplus
            elif depth != 1:
                fail(token.line, 'a declaration that depends on a condition')
            elif token.text == 'HADAL_API':
                self._function(token, before)
            elif token.text == 'enum':
                self._enum()
            elif token.text == 'typedef':
                self._typedef(token)
            else:
                fail(token.line, 'unexpected %r' % token.text)
            before = None

    def _directive(self, token, depth):
        text = ' '.join(token.text.split())
        version = re.fullmatch(r'#define HADAL_VERSION_STRING "(\d+)\.(\d+)\.(\d+)"', text)
        abi = re.fullmatch(r'#define HADAL_ABI_VERSION 0x([0-9a-f]{8})u', text)
        if version:
            self.version = tuple(int(part) for part in version.groups())
        elif abi:
            self.abi_version = int(abi.group(1), 16)
        elif text not in DIRECTIVES:
            fail(token.line, 'a directive that is not on the list: ' + text)
        if text.startswith('#if'):
            return depth + 1
        return depth - 1 if text == '#endif' else depth

    def _function(self, start, before):
        head = self._until(';')
        end = self.tokens[self.at - 1]
        after = self._peek()
        comments = []
        if after.kind == 'comment' and after.line == end.line:
            comments.append(after.text)
        if before and before.end_line == start.line - 1:
            comments.append(before.text)
        tag = since = None
        for comment in comments:
            tags = re.findall(r'\[(any|one|signal)\]', comment)
            tag = tag or (tags[-1] if tags else None)  # the text may name other functions' tags
            found = re.search(r'\bsince (\d+\.\d+)', comment)
            since = since or (found and found.group(1))
        opening = next((i for i, t in enumerate(head) if t.text == '('), None)
        if opening is None or head[-1].text != ')':
            fail(start.line, 'not a function')
        name = head[opening - 1].text
        returns = self._type(head[:opening - 1])
        parameters = self._parameters(head[opening + 1:-1])
        self.functions.append(Function(name, returns, parameters, tag, since or '0.1', start.line))

    def _parameters(self, tokens):
        if [t.text for t in tokens] == ['void']:
            return []
        parts, depth = [[]], 0
        for token in tokens:
            depth += {'(': 1, ')': -1}.get(token.text, 0)
            if token.text == ',' and depth == 0:
                parts.append([])
            else:
                parts[-1].append(token)
        return [self._declarator(part) for part in parts]

    def _declarator(self, tokens):
        """One `type name` or `type (*name)(parameters)`."""
        texts = [t.text for t in tokens]
        if '(' in texts:
            at = texts.index('(')
            if texts[at + 1] != '*' or texts[at + 3] != ')' or texts[at + 4] != '(':
                fail(tokens[0].line, 'not a function pointer')
            inner = self._parameters(tokens[at + 5:-1])
            kind = '%s (*)(%s)' % (self._type(tokens[:at]), ', '.join(p.type for p in inner))
            return Parameter(kind, texts[at + 2])
        if not tokens or tokens[-1].kind != 'word' or len(tokens) < 2:
            fail(tokens[0].line if tokens else 0, 'a parameter without a name')
        return Parameter(self._type(tokens[:-1]), texts[-1])

    def _type(self, tokens):
        words = [t.text for t in tokens if t.text != '*']
        stars = '*' * sum(t.text == '*' for t in tokens)
        base = [w for w in words if w != 'const']
        if len(base) != 1 or words.count('const') > 1:
            fail(tokens[0].line, 'a type outside the closed set: ' + ' '.join(t.text for t in tokens))
        known = set(SCALARS) | {'char', 'void'} | set(self.handles) | set(self.callbacks) | {
            s.name for s in self.structs}
        if base[0] not in known or (base[0] == 'char' and not stars):
            fail(tokens[0].line, 'a type outside the closed set: ' + base[0])
        return ('const ' if 'const' in words else '') + base[0] + stars

    def _enum(self):
        self._next('{')
        while True:
            token = self._next()
            if token.text == '}':
                break
            if token.kind == 'comment':
                if self.constants and self.constants[-1].comment is None:
                    last = self.constants.pop()
                    self.constants.append(last._replace(comment=token.text))
                continue
            if token.text == ',':
                continue
            self._next('=')
            value = self._next()
            if token.kind != 'word' or value.kind != 'number':
                fail(token.line, 'enum values are written out as numbers')
            self.constants.append(Constant(token.text, int(value.text), None, token.line))
        self._next(';')

    def _typedef(self, start):
        if self._peek().text != 'struct':
            tokens = self._until(';')
            if any(t.text == '(' for t in tokens):
                callback = self._declarator(tokens)
                self.callbacks[callback.name] = callback.type
            else:
                self.aliases.append((tokens[-1].text, self._type(tokens[:-1])))
            return
        self._next('struct')
        name = self._next().text
        if self._peek().text != '{':
            if self._next().text != name:
                fail(start.line, 'a handle is typedef struct x x')
            self._next(';')
            self.handles.append(name)
            return
        self._next('{')
        members, offset = [], 0
        while True:
            while self._peek().kind == 'comment':
                self._next()
            if self._peek().text == '}':
                break
            for kind, member in self._members(self._until(';')):
                size = SCALARS.get(kind, POINTER_BYTES)
                if offset % size:
                    fail(start.line, '%s.%s lies after padding' % (name, member))
                members.append(Member(kind, member, offset, size))
                offset += size
        self._next('}')
        self._next(name)
        self._next(';')
        if offset % 8:
            fail(start.line, name + ' ends in padding')
        self.structs.append(Struct(name, members, offset, start.line))

    def _members(self, tokens):
        texts = [t.text for t in tokens]
        if '(' in texts:
            yield self._declarator(tokens)
            return
        base_end = next(i for i, t in enumerate(texts) if t not in ('const',)) + 1
        declarators = [[]]
        for token in tokens[base_end:]:
            if token.text == ',':
                declarators.append([])
            else:
                declarators[-1].append(token)
        for declarator in declarators:
            yield Parameter(self._type(tokens[:base_end] + declarator[:-1]), declarator[-1].text)

    # ---- The rules ---------------------------------------------------------------------------

    def struct(self, name):
        return next((s for s in self.structs if s.name == name), None)

    def handle_of(self, kind):
        """The handle type that `kind` points to, or None."""
        base = kind.replace('const ', '')
        return base[:-1] if base.endswith('*') and base[:-1] in self.handles else None

    def _check(self):
        major, minor, _ = self.version or (None, None, None)
        if self.abi_version is None or self.abi_version != (major << 16 | minor):
            fail(1, 'HADAL_ABI_VERSION is not that of HADAL_VERSION_STRING')
        names = [x.name for x in self.functions + self.structs + self.constants] + self.handles
        for name in names:
            if names.count(name) > 1:
                fail(1, name + ' is declared twice')
        for constant in self.constants:
            if not constant.name.startswith('HADAL_') or not -2**31 <= constant.value < 2**31:
                fail(constant.line, constant.name + ' is no HADAL_ constant of 32 bits')
        keys = [c.value for c in self.constants if c.name.startswith('HADAL_OPT_')]
        if len(set(keys)) != len(keys):
            fail(1, 'two options have one key')
        for struct in self.structs:
            if (struct.members[0].type, struct.members[0].name) != ('uint32_t', 'struct_size'):
                fail(struct.line, struct.name + ' does not begin with uint32_t struct_size')
            if struct.name not in VTABLES and any('(' in m.type for m in struct.members):
                fail(struct.line, struct.name + ' holds a function and is no vtable')
        for function in self.functions:
            self._check_function(function)

    def _check_function(self, function):
        def wrong(text):
            fail(function.line, '%s: %s' % (function.name, text))

        parameters = function.parameters
        if function.tag is None:
            wrong('no thread tag')
        objects = '|'.join(h[len('hadal_'):] for h in self.handles)
        if function.name not in OF_THE_LIBRARY and not re.fullmatch(
                r'hadal_(%s)(_[a-z0-9]+)+' % objects, function.name):
            wrong('the name is not hadal_<object>_<verb>')
        has_error = bool(parameters) and parameters[-1] == ('hadal_error**', 'error')
        if has_error != (function.returns == 'hadal_status'):
            wrong('returns hadal_status if and only if the last parameter is hadal_error** error')
        if sum(p.type == 'hadal_error**' for p in parameters) > int(has_error):
            wrong('more than one error')
        if function.returns not in ('hadal_status', 'void', 'const char*', 'int32_t', 'uint32_t',
                                    'uint64_t'):
            wrong('returns ' + function.returns)
        if function.name.endswith('_free') and (
                function.returns != 'void' or len(parameters) != 1 or
                self.handle_of(parameters[0].type) is None or 'const' in parameters[0].type):
            wrong('_free takes one handle and returns nothing')
        if parameters and parameters[0].type.startswith('const ') and self.handle_of(
                parameters[0].type) and function.tag != 'any':
            wrong('a const handle comes first, so the tag is [any]')
        list(self.groups(function))

    def groups(self, function):
        """Yields (role, parameters) for each argument of a function in the order of the header:
        handle, text, array_in, array_out, handle_out, struct_out, scalar_out, vtable, callback,
        user_data, scalar, error."""
        def wrong(parameter, text):
            fail(function.line, '%s: %s %s' % (function.name, parameter.name, text))

        parameters = list(function.parameters)
        is_number = lambda kind: kind in SCALARS
        while parameters:
            p = parameters.pop(0)
            base = p.type.replace('const ', '').rstrip('*')
            constant = p.type.startswith('const ')
            stars = p.type.count('*')
            following = parameters[0] if parameters else Parameter('', '')
            if p.type == 'hadal_error**':
                yield 'error', [p]
            elif '(' in p.type or p.type in self.callbacks:
                yield 'callback', [p]
            elif p.type == 'void*':
                yield 'user_data', [p]
            elif base in self.handles and stars == 1:
                yield 'handle', [p]
            elif base in self.handles and stars == 2 and not constant:
                if p.name != 'out' or following.type != 'hadal_error**':
                    wrong(p, 'a new handle is called out and stands before the error')
                yield 'handle_out', [p]
            elif p.type == 'const char*':
                if following != ('size_t', p.name + '_size'):
                    wrong(p, 'is not followed by size_t %s_size' % p.name)
                yield 'text', [p, parameters.pop(0)]
            elif base in VTABLES and constant and stars == 1:
                yield 'vtable', [p]
            elif self.struct(base) and stars == 1 and not constant:
                if following.type not in ('hadal_error**', ''):
                    wrong(p, 'a struct that is written stands last, or before the error')
                yield 'struct_out', [p]
            elif constant and stars == 1 and is_number(base):
                if following != ('size_t', 'n_' + p.name):
                    wrong(p, 'is not followed by size_t n_' + p.name)
                yield 'array_in', [p, parameters.pop(0)]
            elif stars == 1 and (is_number(base) or base == 'char'):
                group = [p]
                while parameters and parameters[0].type.endswith('*') and is_number(
                        parameters[0].type[:-1]) and parameters[0].type != 'size_t*':
                    group.append(parameters.pop(0))  # parallel arrays share one capacity
                if len(group) == 1 and following.type == 'hadal_error**' and base != 'char':
                    yield 'scalar_out', group
                    continue
                cap, needed = parameters[:2] if len(parameters) > 2 else (Parameter('', ''),) * 2
                del parameters[:2]
                stem = cap.name[:-len('_cap')]
                size = stem + '_size' if base == 'char' else 'n_' + stem
                if cap.type != 'size_t' or not cap.name.endswith('_cap') or (
                        needed != ('size_t*', size)) or (len(group) == 1 and stem != p.name):
                    wrong(p, 'an output array is followed by size_t x_cap, size_t* n_x')
                yield 'array_out', group + [cap, needed]
            elif stars == 0 and is_number(base):
                yield 'scalar', [p]
            else:
                wrong(p, 'has a type that no rule covers: ' + p.type)
