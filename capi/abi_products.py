"""What is generated from hadal.h: each function here takes a Header and returns the text of a file."""

import hashlib

NOTE = 'Written by capi/abi.py --write from include/hadal/hadal.h; not to be edited.'


def since_of(header):
    return '%d.%d' % header.version[:2]


def hadal_map(header):
    """The export list: one ELF node per minor version, each chained to the one before."""
    versions = sorted({f.since for f in header.functions}, key=lambda v: tuple(map(int, v.split('.'))))
    text, parent = '# %s\n' % NOTE, ''
    for version in versions:
        text += 'HADAL_%s {\n  global:\n' % version
        text += ''.join('    %s;\n' % f.name for f in header.functions if f.since == version)
        text += '' if parent else '  local: *;\n'
        text += '}%s;\n' % parent
        parent = ' HADAL_' + version
    return text


def names(header):
    """Every name of the interface with what must not change about it."""
    for f in header.functions:
        yield f.since, 'function', f.name, '%s (%s) [%s]' % (
            f.returns, ', '.join(p.type for p in f.parameters), f.tag)
    for c in header.constants:
        yield None, 'constant', c.name, str(c.value)
    for s in header.structs:
        for m in s.members:
            yield None, 'member', '%s.%s' % (s.name, m.name), '%s at %d' % (m.type, m.offset)
    for name, kind in header.callbacks.items():
        yield None, 'callback', name, kind
    for handle in header.handles:
        yield None, 'handle', handle, 'struct'


def symbols_in_versions(header, before):
    """One line per name: first version, kind, name, hash of its signature. `before` is the file as
    it stands, from which constants and members keep their first version."""
    known = {line.split()[2]: line.split()[0] for line in before.splitlines()
             if line and not line.startswith('#')}
    text = '# %s\n' % NOTE
    for since, kind, name, signature in names(header):
        version = since or known.get(name) or since_of(header)
        digest = hashlib.sha256(signature.encode()).hexdigest()[:12]
        text += '%s %s %s %s\n' % (version, kind, name, digest)
    return text


def layout_h(header):
    text = '''/* clang-format off */
/* %s
 * Sizes and offsets of the public structs, for C11 and C++17, where pointers have 64 bits. */
#ifndef HADAL_TESTS_CAPI_LAYOUT_H
#define HADAL_TESTS_CAPI_LAYOUT_H

#include <hadal/hadal.h>
#include <stddef.h>

#ifdef __cplusplus
#define HADAL_LAYOUT(fact) static_assert(fact, #fact)
#else
#define HADAL_LAYOUT(fact) _Static_assert(fact, #fact)
#endif

''' % NOTE
    for s in header.structs:
        text += 'HADAL_LAYOUT(sizeof(%s) == %d);\n' % (s.name, s.size)
        for m in s.members:
            text += 'HADAL_LAYOUT(offsetof(%s, %s) == %d);\n' % (s.name, m.name, m.offset)
        text += '\n'
    return text + '#endif\n'


def options_h(header):
    """The options with their types, as an X macro."""
    text = '''/* clang-format off */
/* %s
 * HADAL_OPTIONS(X) calls X(KEY, "name", TYPE) for every option. */
#ifndef HADAL_TESTS_CAPI_OPTIONS_H
#define HADAL_TESTS_CAPI_OPTIONS_H

#define HADAL_OPTIONS(X) \\
''' % NOTE
    lines = []
    for c in header.constants:
        if c.name.startswith('HADAL_OPT_'):
            kind = c.comment.lstrip('/* ').split(':')[0].split()[0]
            lines.append('  X(%s, "%s", HADAL_TYPE_%s)' % (
                c.name, c.name[len('HADAL_OPT_'):].lower(), kind.upper()))
    return text + ' \\\n'.join(lines) + '\n\n#endif\n'


# ---- tests/capi/bad_arguments.c ------------------------------------------------------------------

# Texts that are right for the parameter of this name.
GOOD_TEXT = {'name': 'temperature', 'path': None, 'from': None, 'to': 'unwritten.gguf',
             'dataset': 'tales', 'key': 'general.architecture', 'text': 'Once',
             'role': 'user', 'content': 'Hi', 'json': '{\\"role\\":\\"user\\",\\"content\\":\\"Hi\\"}'}
GOOD_SCALAR = {'flags': '0', 'value': '1', 'draw': '0', 'length': '0', 'budget_ns': '0',
               'chunk_size': '0', 'timeout_ns': '0', 'position': 'at->position', 'status': '0', 'index': '0',
               'key': 'HADAL_OPT_TOP_K'}
GOOD_REQUEST = {'hadal_request_take_model': 'load', 'hadal_request_logits': 'prefill'}
GOOD_POSITION = {'hadal_request_logits': '0'}
GOOD_KEY = {'hadal_config_set_f64': 'HADAL_OPT_TOP_P', 'hadal_config_set_str': 'HADAL_OPT_BACKEND'}
# Any bytes are welcome here.
ANY_BYTES = {('hadal_tokenizer_encode', 'text'), ('hadal_session_append_text', 'text')}
MAY_BE_NULL = {'history', 'destroy', 'user_data'}
ANY_ERROR = 'ANY_ERROR'
INVALID = 'HADAL_E_INVALID_ARGUMENT'


def may_be_null(function, parameter):
    """A config that is read may be NULL, as may a sampler's history."""
    return parameter.type == 'const hadal_config*' or parameter.name in MAY_BE_NULL


class Call:
    """One function with a good value for every parameter; to be spoiled one at a time."""

    def __init__(self, header, function):
        self.header, self.function = header, function
        self.good, self.declarations, self.outputs = {}, [], []
        self.groups = list(header.groups(function))
        for role, parameters in self.groups:
            self._good(role, parameters)

    def _good(self, role, parameters):
        p, name = parameters[0], self.function.name
        if role == 'handle':
            handle = self.header.handle_of(p.type)
            self.good[p.name] = 'NULL' if may_be_null(self.function, p) else 'at->%s' % (
                GOOD_REQUEST.get(name, handle[len('hadal_'):]))
        elif role == 'text':
            text = GOOD_TEXT[p.name]
            self.good[p.name] = 'at->path' if text is None else '"%s"' % text
            self.good[parameters[1].name] = ('strlen(at->path)' if text is None else
                                             str(len(text.replace('\\', ''))))
        elif role == 'array_in':
            self.good[p.name] = 'some_' + p.name
            self.good[parameters[1].name] = '3'
        elif role in ('handle_out', 'struct_out', 'scalar_out'):
            self._output(p, p.type[:-1])
        elif role == 'array_out':
            for array in parameters[:-2]:
                self._output(array, array.type[:-1], 4)
            self.good[parameters[-2].name] = '4'
            self._output(parameters[-1], 'size_t')
        elif role == 'vtable':
            self.good[p.name] = '&some_' + p.type.replace('const hadal_', '').rstrip('*')
        elif role == 'callback':
            self.good[p.name] = 'some_' + p.name if p.name == 'fn' else 'NULL'
        elif role == 'user_data':
            self.good[p.name] = 'NULL'
        elif role == 'scalar':
            special = {'key': GOOD_KEY, 'position': GOOD_POSITION}.get(p.name, {})
            self.good[p.name] = special.get(name, GOOD_SCALAR[p.name])

    def _output(self, p, kind, count=1):
        local = p.name + '_'
        self.declarations.append('%s %s[%d];' % (kind, local, count))
        self.outputs.append((local, kind))
        self.good[p.name] = local

    def text(self, changed):
        values = dict(self.good, error='error')
        values.update(changed)
        return '%s(%s)' % (self.function.name,
                           ', '.join(values[p.name] for p in self.function.parameters))


def spoiled(call):
    """Yields (wanted status, changed arguments) for every wrong argument that the header shows."""
    function, header = call.function, call.header
    for role, parameters in call.groups:
        p = parameters[0]
        if role == 'handle' and not may_be_null(function, p):
            yield INVALID, {p.name: 'NULL'}
        elif role == 'text':
            size = parameters[1].name
            yield INVALID, {p.name: 'NULL', size: '3'}
            yield ANY_ERROR, {size: 'SIZE_MAX'}
            if (function.name, p.name) not in ANY_BYTES:
                yield ANY_ERROR, {p.name: '"\\xff\\xfe"', size: '2'}
        elif role == 'array_in':
            yield INVALID, {p.name: 'NULL'}
            yield ANY_ERROR, {parameters[1].name: 'SIZE_MAX'}
        elif role == 'array_out':
            for array in parameters[:-2]:
                yield INVALID, {array.name: 'NULL'}
            yield INVALID, {parameters[-1].name: 'NULL'}
        elif role in ('handle_out', 'scalar_out'):
            yield INVALID, {p.name: 'NULL'}
        elif role in ('struct_out', 'vtable'):
            yield INVALID, {p.name: 'NULL'}
            struct = p.type.replace('const ', '')[len('hadal_'):-1]
            yield ANY_ERROR, {p.name: '&empty_%s' % struct}
        elif role == 'callback' and p.name == 'fn':
            yield INVALID, {p.name: 'NULL'}
        elif role == 'scalar' and p.name == 'key':
            for key in ('0', '-1', 'INT32_MAX', 'INT32_MIN'):
                yield ANY_ERROR, {'key': key}
        elif role == 'scalar' and p.name == 'flags':
            yield ANY_ERROR, {'flags': 'INT32_MIN'}
            yield ANY_ERROR, {'flags': '1 << 30'}


def stale(call):
    """Yields the arguments with one handle freed, or of another type."""
    for role, parameters in call.groups:
        p = parameters[0]
        handle = call.header.handle_of(p.type) if role == 'handle' else None
        if handle and handle != 'hadal_error':
            short = handle[len('hadal_'):]
            other = 'model' if short != 'model' else 'session'
            yield {p.name: 'at->freed_' + short}
            yield {p.name: '(%s*)(void*)at->%s' % (handle, other)}


def refusals(call):
    def line(status, changed):
        return '  REFUSES(%s, %s);\n' % (status, call.text(changed))

    checked = ''.join(line('HADAL_E_BAD_HANDLE', changed) for changed in stale(call))
    return ''.join(line(status, changed) for status, changed in spoiled(call)) + if_checked(checked)


def if_checked(lines):
    return '#ifdef HADAL_CHECKED_HANDLES\n%s#endif\n' % lines if lines else ''


def fits(call):
    """A capacity of 0 asks for the size; one too few changes nothing but the size."""
    for role, parameters in call.groups:
        if role != 'array_out':
            continue
        arrays, cap, needed = parameters[:-2], parameters[-2].name, parameters[-1].name
        if len(arrays) > 1:
            return  # the best few: what does not fit is left out
        ask = call.text({arrays[0].name: 'NULL', cap: '0', needed: '&wanted'})
        short = call.text({cap: 'wanted - 1', needed: '&found'})
        yield '''  {
    size_t wanted = 0, found = 0;
    ASKS(%s);
    if (wanted > 0 && wanted <= 4) {
      TOO_SMALL(%s);
      EXPECT(found == wanted);
    }
    EXPECT(wanted > 0);
  }
''' % (ask, short)


def with_outputs(call, calls):
    """The calls between the declarations of what they write to and the proof that they do not."""
    structs = [n for n, kind in call.outputs if call.header.struct(kind)]
    return ''.join(
        ['  %s\n' % d for d in call.declarations] +
        ['  fill(%s, sizeof %s);\n' % (n, n) for n, _ in call.outputs] +
        ['  %s[0].struct_size = sizeof %s[0];\n' % (n, n) for n in structs] + [calls] +
        ['  EXPECT(is_filled(%s, sizeof %s, %s));\n' % (
            n, n, 'sizeof(uint32_t)' if n in structs else '0') for n, _ in call.outputs])


def without_status(header, function):
    """Functions that cannot fail answer nothing to nothing."""
    call = Call(header, function)
    if function.name.endswith('_free') or function.returns == 'void':
        return '  %s;\n' % call.text({function.parameters[0].name: 'NULL'})
    zero = {'const char*': ' == NULL', 'uint64_t': ' == 0', 'int32_t': ' == 0'}[function.returns]
    if function.parameters[0].type == 'const hadal_error*':
        zero = '[0] == 0' if function.returns == 'const char*' else ' == 0'
    first = function.parameters[0].name
    changes = [{first: 'NULL'}]
    for role, parameters in call.groups:
        if role == 'text':
            p, size = parameters
            changes += [{p.name: 'NULL', size.name: '3'}, {size.name: 'SIZE_MAX'},
                        {p.name: '"\\xff\\xfe"', size.name: '2'}]
        elif role == 'struct_out':
            p = parameters[0]
            changes += [{p.name: 'NULL'}, {p.name: '&empty_%s' % p.type[len('hadal_'):-1]}]
    def line(changed):
        return '  EXPECT(%s%s);\n' % (call.text(changed), zero)

    checked = ''.join(line(changed) for changed in stale(call))
    calls = ''.join(line(changed) for changed in changes) + if_checked(checked)
    return with_outputs(call, calls)


def bad_arguments_c(header):
    text = '''/* clang-format off */
/* %s
 * Every function against NULL handles, outputs and texts, sizes beyond all memory, capacities that
 * are too small, bytes that are no UTF-8, unknown keys and flags, and, where handles are checked,
 * against freed and foreign ones. On failure outputs stay as they were and the error says why. */
#include "bad_arguments.h"

''' % NOTE
    called = []
    for function in header.functions:
        if function.name in ('hadal_abi_version', 'hadal_build_info', 'hadal_status_name'):
            continue  # no argument that can be wrong; capi_test.c calls them
        body = ''
        if function.returns == 'hadal_status':
            call = Call(header, function)
            body += with_outputs(call, refusals(call) + ''.join(fits(call)))
        else:
            body = without_status(header, function)
        text += 'static void try_%s(const struct objects* at) {\n  (void)at;\n%s}\n\n' % (
            function.name, body)
        called.append(function.name)
    text += 'void try_bad_arguments(const struct objects* at) {\n'
    text += ''.join('  try_%s(at);\n' % name for name in called) + '}\n'
    return text


def products(header, before):
    """path -> text; before(path) gives what stands there now."""
    return {
        'capi/hadal.map': hadal_map(header),
        'capi/symbols-in-versions': symbols_in_versions(header, before('capi/symbols-in-versions')),
        'tests/capi/layout.h': layout_h(header),
        'tests/capi/options.h': options_h(header),
        'tests/capi/bad_arguments.c': bad_arguments_c(header),
    }
