"""Writes what follows a prompt, by ctypes alone. Usage: hello.py LIBHADAL.SO MODEL PROMPT"""
import ctypes as c
import sys

hadal = c.CDLL(sys.argv[1])
hadal.hadal_error_message.restype = hadal.hadal_error_hint.restype = c.c_char_p
EVENT, EVENT_TEXT, TEXT_BOS, FOREVER = 2, 3, 2, c.c_uint64(2**64 - 1)

class Event(c.Structure):
    _fields_ = [('struct_size', c.c_uint32), ('kind', c.c_int32), ('sequence', c.c_uint64),
                ('token', c.c_int32), ('logprob', c.c_float), ('channel', c.c_int32),
                ('finish', c.c_int32), ('progress', c.c_double), ('text', c.c_void_p),
                ('text_size', c.c_size_t)]

def call(name, *arguments):
    error = c.c_void_p()
    status = getattr(hadal, 'hadal_' + name)(*arguments, c.byref(error))
    if status < 0:
        texts = hadal.hadal_error_message(error), hadal.hadal_error_hint(error)
        sys.exit('\n'.join(text.decode() for text in texts))
    return status

def make(name, *arguments):
    handle = c.c_void_p()
    call(name, *arguments, c.byref(handle))
    return handle

def run(request):
    event = Event(struct_size=c.sizeof(Event))
    while call('request_wait', request, FOREVER) == EVENT:
        if call('request_poll', request, c.byref(event)) == EVENT and event.kind == EVENT_TEXT:
            print(c.string_at(event.text, event.text_size).decode(), end='', flush=True)
    return request

path, prompt = sys.argv[2].encode(), sys.argv[3].encode()
runtime = make('runtime_create', None)
load = run(make('model_load', runtime, path, c.c_size_t(len(path)), None))
session = make('session_create', make('request_take_model', load), None)
call('session_append_text', session, prompt, c.c_size_t(len(prompt)), TEXT_BOS)
run(make('session_generate', session, make('sampler_create', runtime, None), None))
