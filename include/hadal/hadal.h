/* hadal.h - runs the DeepSeek-V3 family (V3, R1, V3.1, V2, V2-Lite, Moonlight, GigaChat3, Kimi-K2)
 * from GGUF files, and from directories of safetensors as Hugging Face keeps them, inside your
 * process. This header is the manual and the whole stable surface.
 *
 * Tags   [any] any thread, concurrently; [one] one thread at a time per first argument, else
 * E_BUSY; [signal] as [any], also inside a signal handler. No "since" tag means 0.1. Errors a
 * hadal_status function ends in hadal_error **error (may be NULL). On failure no output is written
 * and the object is as before, unless the text says "poisons". *error is written only on failure;
 * what it held before is not freed. Data   (x, x_size) UTF-8 bytes in, (xs, n_xs) elements in: both
 * copied before return. (xs, xs_cap, *n_xs) out: if they do not fit, only *n_xs is written
 * (E_BUFFER_TOO_SMALL). Capacity 0 with a NULL buffer asks for the size. Returned const char * is
 * NUL-terminated and lives as long as the handle it came from. Life   _free takes NULL; free in any
 * order: children keep their parents alive. Freeing a running request cancels it and waits for the
 * current unit of work. Fork   In a forked child inherited handles answer E_BUSY, all but configs
 * and tokenizers, which are plain data; it may only exec or _exit. Quiet  The library never prints,
 * aborts, exits, reads the environment, or installs a handler. */
#ifndef HADAL_H
#define HADAL_H

#include <stddef.h>
#include <stdint.h>

#if defined(HADAL_STATIC)
#define HADAL_API
#elif defined(_WIN32) && defined(HADAL_BUILDING)
#define HADAL_API __declspec(dllexport)
#elif defined(_WIN32)
#define HADAL_API __declspec(dllimport)
#else
#define HADAL_API __attribute__((visibility("default")))
#endif

#define HADAL_VERSION_STRING "0.1.0"
#define HADAL_ABI_VERSION 0x00000001u /* major << 16 | minor of this header */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hadal_runtime hadal_runtime;     /* threads, memory, files, log: the root        */
typedef struct hadal_config hadal_config;       /* a bag of typed options                       */
typedef struct hadal_model hadal_model;         /* weights; immutable, shareable                */
typedef struct hadal_tokenizer hadal_tokenizer; /* vocabulary and pre-tokenizer; immutable      */
typedef struct hadal_sampler hadal_sampler;     /* how to choose a token; immutable             */
typedef struct hadal_session hadal_session;     /* one sequence and its latent cache            */
typedef struct hadal_request hadal_request; /* one running load, conversion, prefill or generate */
typedef struct hadal_error hadal_error;     /* why a call failed                            */

/* ---- Status ---------------------------------------------------------------------------------- */

typedef int32_t hadal_status; /* 0 ok, > 0 state, < 0 error */
enum {
  HADAL_OK = 0,
  HADAL_PENDING = 1,             /* the request has work left                                    */
  HADAL_EVENT = 2,               /* the same, and something to poll                              */
  HADAL_DONE = 3,                /* the request is finished                                      */
  HADAL_E_INVALID_ARGUMENT = -1, /* a caller's mistake; nothing was changed                      */
  HADAL_E_BAD_HANDLE = -2,       /* stale or foreign pointer (HADAL_CHECKED_HANDLES builds)      */
  HADAL_E_UNKNOWN_OPTION = -3,   /* no such key, or not one for this consumer                    */
  HADAL_E_OUT_OF_RANGE = -4,     /* a value beyond its bounds, or of another type                */
  HADAL_E_BUFFER_TOO_SMALL = -5, /* the needed size was written                                  */
  HADAL_E_NOT_FOUND = -6,        /* no such file, option or entry                                */
  HADAL_E_IO = -7,               /* a file could not be read or written; see hadal_error_errno   */
  HADAL_E_NO_SPACE = -8,         /* the disk is full                                             */
  HADAL_E_FORMAT = -9,           /* the file is damaged or contradicts itself                    */
  HADAL_E_UNSUPPORTED = -10,     /* the file is sound, but not something hadal can run           */
  HADAL_E_LIMIT = -11,           /* above an input limit; the hint names the option              */
  HADAL_E_BUDGET = -12,          /* would cross a byte budget; refused before allocating         */
  HADAL_E_NO_MEMORY = -13,       /* the allocator refused                                        */
  HADAL_E_CONTEXT_FULL = -14,    /* no room for the tokens given; nothing was appended           */
  HADAL_E_DEVICE = -15,          /* a device or its driver failed                                */
  HADAL_E_DEVICE_LOST = -16,     /* the device is gone; poisons what lived on it                 */
  HADAL_E_CANCELLED = -17,       /* hadal_request_cancel was called                              */
  HADAL_E_BUSY = -18,            /* another thread or a running request has the object           */
  HADAL_E_VERSION = -19,         /* header and library disagree                                  */
  HADAL_E_INTERNAL = -20         /* a bug of ours; poisons the object, the process lives         */
};

/* ---- Library: nothing to initialise ---------------------------------------------------------- */

/* Version of the library's ABI: same major, minor at least HADAL_ABI_VERSION's. [any] */
HADAL_API uint32_t hadal_abi_version(void);
/* One line of JSON: version, compiler, backends, instruction sets. Static. [any] */
HADAL_API const char* hadal_build_info(void);
/* "E_FORMAT" and so on; "E_?" for a number that is none. Static, never NULL. [any] */
HADAL_API const char* hadal_status_name(hadal_status status);

/* The five getters take NULL and answer 0 or "". [any] */
HADAL_API int32_t hadal_error_code(const hadal_error* error);  /* [any] the hadal_status       */
HADAL_API int32_t hadal_error_errno(const hadal_error* error); /* [any] OS error number or 0   */
HADAL_API int32_t hadal_error_retry(const hadal_error* error); /* [any] 1: same call may work  */
HADAL_API const char* hadal_error_message(const hadal_error* error); /* [any] what and where */
HADAL_API const char* hadal_error_hint(const hadal_error* error); /* [any] what to do             */
HADAL_API void hadal_error_free(hadal_error* error);              /* [one]                        */

/* ---- Options: one bag for every object; a key outside the consumer's scope is refused there ----
 */

enum {
  /* runtime */
  HADAL_OPT_THREADS = 100,    /* i64: own threads, this many in all; 0: caller-only, work moves only
                                 inside step and wait; -1 (default): one per available core */
  HADAL_OPT_HOST_BYTES = 101, /* i64: hard budget for host memory in bytes; 0 (default): none */
  HADAL_OPT_DETERMINISM =
      103,                   /* i64: 1 same bits on same machine and options (default); 2 also
                                independent of threads, batching and chunks, at a price in speed;
                                3 same bits on every instruction set: the reference backend, slow */
  HADAL_OPT_UNTRUSTED = 104, /* i64 0/1: files may be hostile: never map them. Default 0          */
  /* model */
  HADAL_OPT_BACKEND = 200,  /* str: "auto" (default), "cpu", "reference", or "onednn": the cpu
                               backend whose products of bf16 and f32 weights with many rows are
                               oneDNN's, out of a module of its own (HADAL_OPT_MODULE_PATH), on
                               machines with AVX512_BF16. Rows that are multiplied with bf16 are
                               rounded to it, if HADAL_OPT_CPU_ACTIVATIONS is "int8". From
                               determinism 2 on oneDNN does single rows as well, slower than "cpu".
                               Its code is generated when it runs: the process must be allowed to
                               have such memory, up to 30 MB or so that are not under
                               HADAL_OPT_HOST_BYTES, and on machines with AMX asks the system for
                               its registers. E_NOT_FOUND without the module, E_VERSION if it is of
                               another build, E_UNSUPPORTED on another machine. "auto" takes it
                               below determinism 2 on machines with AMX, if it is there */
  HADAL_OPT_MMAP = 201,     /* i64 0/1: map the file (default 1) or read it into memory. While
                               mapped, truncation by another process is SIGBUS                 */
  HADAL_OPT_MTP_PATH = 202, /* str: where the MTP layer is, for a model whose own files lack it: a
                               GGUF file with the layer and nextn_predict_layers, or a directory of
                               safetensors (or any file of it), of which only config.json and the
                               files with the layer need to be there. It must be of the same model:
                               E_UNSUPPORTED if the shapes, numbers or tokens differ, if there is no
                               such layer, or if the model has one already. Default "": none */
  HADAL_OPT_CPU_ISA = 203,  /* str: "auto" (default), "scalar", "avx2", "avx_vnni", "avx512",
                               "neon" */
  HADAL_OPT_EXPERT_GROUPS = 204, /* str: "auto" (default): a file of V3's shape without group keys
                                    is routed in 8 groups of which 4 are kept, as the model was
                                    trained; "file": as the file says, as llama.cpp does */
  HADAL_OPT_CHUNK_ROWS = 205, /* i64: most tokens in one pass; 0 (default): chosen by hadal      */
  HADAL_OPT_CPU_ACTIVATIONS = 206, /* str: "int8" (default): activations that are multiplied with
                                      weights in block formats are rounded to 8 bits, 256 to a
                                      scale; an error far below that of the weights, and
                                      about three times the speed. With weights in bf16 or fp8 they
                                      are rounded to bf16 where the machine multiplies that (twice
                                      the speed of prompts). A router's never are. "f32": never
                                      rounded */
  HADAL_OPT_PROFILE = 207,     /* i64 0/1: count what the model's ops take, for hadal_model_profile.
                                  Each op is then waited for, which costs some time; results are the
                                  same. Default 0 */
  HADAL_OPT_IMATRIX = 208,     /* i64 0/1: sum the squares of what goes into each weight, for
                                  hadal_model_save_imatrix. Takes memory, eight bytes for every
                                  column of every weight and expert, and time; results are those of
                                  determinism 2's attention, else the same. Default 0 */
  HADAL_OPT_MODULE_PATH = 209, /* str: the folder of the modules that backends come in,
                                  libhadal_onednn.so. A module is code: name only a folder that is
                                  trusted as the library is. Default "": the folder of this library,
                                  or of the program that it is linked into */
  HADAL_OPT_HEADERS_ONLY = 210, /* i64 0/1: load what the headers say and nothing else, to look at a
                                   checkpoint: metadata, and the tokenizer if the files have one.
                                   It need not be able to run: an MTP layer alone will do, and files
                                   of a set that are not there are left out ("hadal.missing_files"
                                   names them). There are no sessions on such a model. Counts for
                                   hadal_model_load alone; hadal_model_plan says what keeps a
                                   checkpoint from running. Default 0 */
  /* session */
  HADAL_OPT_CONTEXT = 300, /* i64: most tokens; 0 (default): what the model was trained for    */
  HADAL_OPT_CACHE_TYPE =
      301,                     /* str: what the latent cache keeps a token's latents in: "f32",
                                  "bf16", "f16", "q8_0", "q5_1", "q5_0", "q4_0"; "auto" (default):
                                  bf16 where activations are rounded as well (cpu_activations), else
                                  f32. In any but f32 the part that carries the position is bf16. With
                                  "bf16" attention multiplies in bf16 too, where the machine can */
  HADAL_OPT_CHAT_FORMAT = 302, /* str: "auto" (default, by the file's template) or "deepseek-v2",
                                  "deepseek-v3", "deepseek-r1", "deepseek-v3-0324", "deepseek-v3.1",
                                  "kimi-k2" */
  /* sampler; the stages run in the order of hadal_sampler_create */
  HADAL_OPT_TEMPERATURE = 400, /* f64: 0 greedy; default 1                                   */
  HADAL_OPT_TOP_K = 401,       /* i64: keep the k best; 0 (default): off                     */
  HADAL_OPT_TOP_P = 402,       /* f64: keep the smallest set with this mass; 1 (default) off */
  HADAL_OPT_SEED = 403,        /* i64: seed of the draws; default: drawn from the system     */
  HADAL_OPT_MIN_P = 404,       /* f64: keep p >= min_p * best p; 0 (default): off            */
  HADAL_OPT_TYPICAL_P = 405,   /* f64: locally typical mass; 1 (default): off                */
  HADAL_OPT_REPETITION_PENALTY = 406, /* f64: divides positive, multiplies negative logits of tokens
                                         seen in the window; 1 (default): off */
  HADAL_OPT_PRESENCE_PENALTY = 407, /* f64: subtracted once from tokens seen; 0 (default): off    */
  HADAL_OPT_FREQUENCY_PENALTY = 408, /* f64: subtracted once per sight; 0 (default): off */
  HADAL_OPT_PENALTY_WINDOW = 409, /* i64: last tokens looked at; 0: all; default 64             */
  HADAL_OPT_DRY_MULTIPLIER = 410, /* f64: 0 (default): off                                      */
  HADAL_OPT_DRY_BASE = 411,       /* f64: default 1.75                                          */
  HADAL_OPT_DRY_ALLOWED_LENGTH = 412, /* i64: repeats up to this length are free; default 2 */
  HADAL_OPT_DRY_WINDOW = 413,      /* i64: last tokens looked at; 0 (default): all               */
  HADAL_OPT_DRY_BREAKERS = 414,    /* str: token ids, comma-separated, that end a repeat         */
  HADAL_OPT_XTC_PROBABILITY = 415, /* f64: chance to drop the top choices; 0 (default): off      */
  HADAL_OPT_XTC_THRESHOLD = 416,   /* f64: default 0.1                                           */
  HADAL_OPT_LOGIT_BIAS = 417,      /* str: "id:bias,id:bias"; -inf bans                          */
  /* request */
  HADAL_OPT_MAX_TOKENS =
      500,                  /* i64: most tokens to generate; 0 (default): until the context ends  */
  HADAL_OPT_STOP = 501,     /* str: text that ends the answer and is not part of it; each call adds
                               one, an empty text clears the list                                 */
  HADAL_OPT_LOGPROBS = 502, /* i64: 1 fills the events' logprob; n > 1 also keeps the n best per
                               position for hadal_request_logprobs; 0 (default): off              */
  HADAL_OPT_KEEP_LOGITS =
      504, /* i64 0/1: a prefill keeps the logits of every token it computes, for
              hadal_request_logits: four bytes for each and every word of the
              vocabulary, under HADAL_OPT_HOST_BYTES. Refused for generate. Default 0 */
  /* conversion */
  HADAL_OPT_CONVERT_TYPE = 600, /* str: type of the matrices written: "keep" (default), "f32",
                                   "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q3_k" to
                                   "q6_k", "iq4_nl", "iq4_xs"; or a mix of types: "q2_k", "q2_k_xs",
                                   "q2_k_s", "q2_k_l", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s",
                                   "q4_k_m", "q5_k_s", "q5_k_m". Capitals do not matter.
                                   Vectors and the router stay f32. Rows that do not fill the blocks
                                   of a type get one that fits, with a warning */
  HADAL_OPT_CONVERT_FORMAT =
      601,                         /* str: "gguf" (default); "safetensors": out of a directory only,
                                      with type "bf16" (fp8 becomes bf16, the rest stays) or "keep" */
  HADAL_OPT_CONVERT_RULES = 602,   /* str: "pattern=type;pattern=type": the type of matrices whose
                                      name has the pattern in it, as GGUF or hadal.tensors spell it;
                                      * stands for any characters, ? for one, ^ for the beginning, $
                                      for the end; the first that fits counts. Types as above, no
                                      mixes */
  HADAL_OPT_CONVERT_IMATRIX = 603, /* str: path of an importance matrix, for types of few bits */
  HADAL_OPT_CONVERT_SPLIT_BYTES = 604,   /* i64: most bytes of a file; 0 (default): one file. A
                                            single tensor may have more */
  HADAL_OPT_CONVERT_SPLIT_TENSORS = 605, /* i64: most tensors of a file; 0 (default): one file */
  HADAL_OPT_CONVERT_MTP = 606,           /* str: layers that predict more than a token ahead: "keep"
                                            (default), "drop", "only": a small GGUF file with nothing else */
  HADAL_OPT_CONVERT_KV_B = 607, /* str: kv_b_proj in the file: "split" in two halves, "joint" as
                                   before April 2025, "keep"; "auto" (default): split out of a
                                   directory, kept out of a GGUF file */
  HADAL_OPT_CONVERT_OVERWRITE = 608, /* i64 0/1: replace files that are there; default 0          */
  /* input limits (model, conversion) */
  HADAL_OPT_LIMIT_STRING_BYTES = 900, /* i64: one metadata string or JSON file; default 16 MiB  */
  HADAL_OPT_LIMIT_METADATA_ENTRIES = 901, /* i64: default 65,536 */
  HADAL_OPT_LIMIT_ARRAY_ELEMENTS = 902, /* i64: default 4 Mi                                      */
  HADAL_OPT_LIMIT_TENSORS = 903,        /* i64: over all shards; default 262,144                  */
  HADAL_OPT_LIMIT_SHARDS = 904,         /* i64: default 4,096                                     */
  /* input limits (session) */
  HADAL_OPT_LIMIT_PROMPT_BYTES = 905, /* i64: one text; default 64 MiB */
  HADAL_OPT_LIMIT_MESSAGES = 906 /* i64: messages of a conversation; default 65,536            */
};
enum { HADAL_TYPE_I64 = 1, HADAL_TYPE_F64 = 2, HADAL_TYPE_STR = 3 };
enum {
  HADAL_SCOPE_RUNTIME = 1,
  HADAL_SCOPE_MODEL = 2,
  HADAL_SCOPE_SESSION = 3,
  HADAL_SCOPE_SAMPLER = 4,
  HADAL_SCOPE_REQUEST = 5,
  HADAL_SCOPE_CONVERT = 6
};
typedef struct hadal_option_desc { /* written by us; strings live as long as the library */
  uint32_t struct_size;            /* set by you: sizeof(hadal_option_desc)               */
  int32_t key, type, scope;        /* HADAL_OPT_*, HADAL_TYPE_*, HADAL_SCOPE_*            */
  uint32_t since, flags;           /* ABI version that brought it; 0                      */
  int64_t min_i64, max_i64, default_i64;
  double min_f64, max_f64, default_f64;
  const char *name, *default_str, *summary;
} hadal_option_desc;

/* Finds an option's key by its name: "temperature", "top_k". E_NOT_FOUND. [any] */
HADAL_API hadal_status hadal_option_find(const char* name, size_t name_size, int32_t* key,
                                         hadal_error** error);
/* Describes a key: name, type, scope, bounds, default. E_NOT_FOUND, E_INVALID_ARGUMENT. [any] */
HADAL_API hadal_status hadal_option_describe(int32_t key, hadal_option_desc* out,
                                             hadal_error** error);
/* Makes an empty bag; it lives outside every runtime and can serve many objects, also on several
 * threads at a time, while nobody sets anything in it. [any] */
HADAL_API hadal_status hadal_config_create(hadal_config** out, hadal_error** error);
/* E_UNKNOWN_OPTION; E_OUT_OF_RANGE for a value of another type or beyond its bounds. [one] */
HADAL_API hadal_status hadal_config_set_i64(hadal_config* config, int32_t key, int64_t value,
                                            hadal_error** error);
/* As above; NaN is out of range. [one] */
HADAL_API hadal_status hadal_config_set_f64(hadal_config* config, int32_t key, double value,
                                            hadal_error** error);
/* As above; the text is copied. [one] */
HADAL_API hadal_status hadal_config_set_str(hadal_config* config, int32_t key, const char* text,
                                            size_t text_size, hadal_error** error);
HADAL_API void hadal_config_free(hadal_config* config); /* [one] */

/* ---- What a host may supply: four tables, set on a config before hadal_runtime_create ----------
 * struct_size first, set by the host; missing members count as absent. The table is copied;
 * destroy(user_data) is called once, when the last user is gone; it may be NULL. No function of a
 * table may throw. */

enum {
  HADAL_MEM_WEIGHTS = 1,
  HADAL_MEM_CACHE = 2,
  HADAL_MEM_SCRATCH = 3,
  HADAL_MEM_METADATA = 4,
  HADAL_MEM_STAGING = 5
};
typedef struct hadal_allocator { /* weights, cache and scratch; called from any of our threads */
  uint32_t struct_size, flags;   /* flags: 0 */
  void* user_data;
  void (*destroy)(void* user_data);
  /* Any size; align a power of two; tag HADAL_MEM_*. NULL refuses and becomes E_NO_MEMORY. */
  void* (*allocate)(void* user_data, size_t size, size_t align, int32_t tag);
  void (*release)(void* user_data, void* ptr, size_t size, size_t align, int32_t tag);
} hadal_allocator;
/* With an executor the runtime makes one thread of its own, which moves running requests, or none
 * if HADAL_OPT_THREADS is 0. */
typedef struct hadal_executor {
  uint32_t struct_size, flags; /* flags: 0 */
  void* user_data;
  void (*destroy)(void* user_data);
  int32_t (*thread_count)(void* user_data); /* how many tasks can run at once, at least 1 */
  int32_t (*in_parallel)(void* user_data);  /* 1 if called from inside parallel_for */
  /* Calls task(arg, i) for every i < n, in any order, on any threads; returns when all returned. */
  void (*parallel_for)(void* user_data, size_t n, void (*task)(void* arg, size_t i), void* arg);
} hadal_executor;
enum { HADAL_IO_READ = 1, HADAL_IO_WRITE = 2 };
/* Every function returns a hadal_status; open answers E_NOT_FOUND where there is no such file.
 * Nothing is mapped through this table. To write, write_at, sync, replace and remove must be there:
 * open with HADAL_IO_WRITE makes a file, empty whatever was there before; replace gives the file
 * `from` the name `to`, in one step and in place of a file that had it; a full disk is E_NO_SPACE.
 */
typedef struct hadal_io {
  uint32_t struct_size, flags; /* flags: 0 */
  void* user_data;
  void (*destroy)(void* user_data);
  int32_t (*open)(void* user_data, const char* path, size_t path_size, int32_t mode, void** file);
  int32_t (*size)(void* user_data, void* file, uint64_t* bytes);
  /* A short *done is legal, 0 means end of file. Called from any thread. */
  int32_t (*read_at)(void* user_data, void* file, uint64_t at, void* to, size_t n, size_t* done);
  int32_t (*write_at)(void* user_data, void* file, uint64_t at, const void* from, size_t n,
                      size_t* done);
  int32_t (*sync)(void* user_data, void* file);
  void (*close)(void* user_data, void* file);
  int32_t (*replace)(void* user_data, const char* from, size_t from_size, const char* to,
                     size_t to_size);
  int32_t (*remove)(void* user_data, const char* path, size_t path_size);
} hadal_io;
enum {
  HADAL_LOG_ERROR = 1,
  HADAL_LOG_WARNING = 2,
  HADAL_LOG_INFO = 3,
  HADAL_LOG_DEBUG = 4,
  HADAL_LOG_TRACE = 5
};
typedef struct hadal_log_sink { /* per runtime; default drops everything; must be thread-safe */
  uint32_t struct_size;
  int32_t level; /* HADAL_LOG_*: the most talkative level wanted */
  void* user_data;
  void (*destroy)(void* user_data);
  /* One whole UTF-8 record, no newline at its end. */
  void (*write)(void* user_data, int32_t level, const char* category, const char* text,
                size_t text_size);
} hadal_log_sink;

/* allocate and release are required. E_INVALID_ARGUMENT; E_VERSION for a tail that is unknown.
 * [one] */
HADAL_API hadal_status hadal_config_set_allocator(hadal_config* config,
                                                  const hadal_allocator* vtable,
                                                  hadal_error** error);
/* thread_count and parallel_for are required. [one] */
HADAL_API hadal_status hadal_config_set_executor(hadal_config* config, const hadal_executor* vtable,
                                                 hadal_error** error);
/* open, size, read_at and close are required. [one] */
HADAL_API hadal_status hadal_config_set_io(hadal_config* config, const hadal_io* vtable,
                                           hadal_error** error);
/* write is required. [one] */
HADAL_API hadal_status hadal_config_set_log_sink(hadal_config* config, const hadal_log_sink* vtable,
                                                 hadal_error** error);

/* ---- Runtime --------------------------------------------------------------------------------- */

/* Creates the threads asked for, probes no device. A NULL config means defaults, here and below.
 * E_UNKNOWN_OPTION for a key of another scope. [any] */
HADAL_API hadal_status hadal_runtime_create(const hadal_config* config, hadal_runtime** out,
                                            hadal_error** error);
HADAL_API void hadal_runtime_free(hadal_runtime* runtime); /* [any] joins threads with last child */

/* ---- Model -------------------------------------------------------------------------------------
 * A path is a GGUF file or any file of a split set; or a directory as it was published:
 * config.json, safetensors in F32, F16, BF16 or FP8 E4M3 with a scale for each block,
 * tokenizer.json (or, without one, the tiktoken.model of Kimi-K2 and Moonlight) and
 * tokenizer_config.json (generation_config.json and chat_template.jinja are read if they are
 * there). The directory's config.json, index or any safetensors file stands for all of it; files
 * are looked for beside the one given and nowhere else. Nothing is converted: FP8 stays one byte a
 * weight. */

typedef struct hadal_memory_plan { /* bytes; written by us */
  uint32_t struct_size, flags;
  uint64_t host_weights; /* weights read into memory; when mapped, norms, biases, scales only */
  uint64_t host_cache;   /* latent cache of one session at the model's full context, of the type
                            that HADAL_OPT_CACHE_TYPE's "auto" means; so are the sums below */
  uint64_t host_scratch; /* activations, and what the backend works in */
  uint64_t host_pinned;  /* 0 */
  uint64_t mapped;       /* weights used in place from the file */
  uint64_t device_weights, device_cache, device_scratch; /* 0 */
  uint64_t streamed_per_token;                           /* 0: nothing is streamed */
  uint64_t host_minimum;     /* least HADAL_OPT_HOST_BYTES that loads and runs a context of 512 */
  uint64_t host_comfortable; /* the same with the full context */
  uint64_t device_minimum, device_comfortable; /* 0 */
} hadal_memory_plan;

/* Reads headers only, allocates no weights. Errors as of hadal_model_load. [any] */
HADAL_API hadal_status hadal_model_plan(hadal_runtime* runtime, const char* path, size_t path_size,
                                        const hadal_config* config, hadal_memory_plan* out,
                                        hadal_error** error);
/* Starts to load; move the request to its end, then hadal_request_take_model(). The request fails
 * with E_NOT_FOUND, E_IO, E_FORMAT, E_UNSUPPORTED, E_LIMIT, E_BUDGET, E_NO_MEMORY. [any] */
HADAL_API hadal_status hadal_model_load(hadal_runtime* runtime, const char* path, size_t path_size,
                                        const hadal_config* config, hadal_request** out,
                                        hadal_error** error);
/* Starts to check a file or directory; move the request to its end and read its TEXT events. Each
 * is one finding as a JSON object: "check" (files, config, expert_groups, router, yarn, lm_head,
 * router_bias, fp8_scales, tensors, mtp, tokenizer, values, self_test; others may come), "level"
 * ("ok", "note", "warning": the model runs and may answer worse than it should, "error": it does
 * not run, or answers wrongly), "message" (what, where, wanted, found) and "hint" (what to do, or
 * ""). All weights are read once, in bounded memory; then a few tokens run on the cpu backend and,
 * below 1 GiB of weights, on the reference. Options are those of hadal_model_load. The request is
 * DONE whatever was found: only what is no property of the files fails it, as E_NO_MEMORY and
 * E_BUDGET. [any] */
HADAL_API hadal_status hadal_model_verify(hadal_runtime* runtime, const char* path,
                                          size_t path_size, const hadal_config* config,
                                          hadal_request** out, hadal_error** error);
/* A metadata value of the file as text, arrays as JSON; NULL if the key is absent. A directory has
 * the keys of config.json, and those of generation_config.json behind "generation_config.". Besides
 * the file's keys: "hadal.config" (the shape as JSON, names of config.json), "hadal.tensors"
 * (names, types, shapes, bytes as JSON), "hadal.keys" (all keys as JSON), "hadal.backend",
 * "hadal.files" (paths and bytes as JSON, in the order that "file" in hadal.tensors counts) and
 * "hadal.missing_files" (paths as JSON). Under HADAL_OPT_HEADERS_ONLY "hadal.config" is NULL where
 * the files do not say it, as in a set without its first file. [any] */
HADAL_API const char* hadal_model_metadata(const hadal_model* model, const char* key,
                                           size_t key_size);

typedef struct hadal_op_profile { /* written by us; sums since the model was loaded */
  uint32_t struct_size, flags;    /* set by you: sizeof(hadal_op_profile); 0 */
  uint64_t calls;                 /* that ended well; others count nowhere */
  uint64_t ns;                    /* nanoseconds, from each call until its result was there */
  uint64_t bytes; /* that had to be read at least once per call: weights as the file holds them (of
                     an embedding the rows looked up, of experts those chosen), latent cache */
  uint64_t multiplications; /* with weights and of attention, each with an addition */
} hadal_op_profile;

/* A line of the profile: the name of an op with what it worked on, and its numbers, all of one
 * moment. "matmul q4_k 3072x2048" is type, out x in; "per_head_matmul f16 16x512x128" heads x out x
 * in; "moe_ffn q4_k+q6_k 64x1408x2048" experts x moe_intermediate_size x hidden_size, with the type
 * of down_proj behind that of the others where they differ. Lines stand in order of first use, and
 * keep their index. NULL, and nothing written, past the last line, if HADAL_OPT_PROFILE was not set
 * when the model was loaded, and for a bad argument. [any] */
HADAL_API const char* hadal_model_profile(const hadal_model* model, size_t index,
                                          hadal_op_profile* out);

enum {
  HADAL_IMATRIX_DAT = 1,  /* the layout of files before GGUF's, which older programs read */
  HADAL_IMATRIX_HEAD = 2, /* lm_head too: it sees the tokens whose logits were asked for only, all
                             of them under HADAL_OPT_KEEP_LOGITS */
  HADAL_IMATRIX_ADD = 4 /* add to what the file holds, if it is there: one matrix of several runs */
};
/* Writes the importance matrix of all that a model loaded with HADAL_OPT_IMATRIX has computed: the
 * mean square of every input of every weight, of each expert over the tokens that chose it. The
 * file is llama.cpp's, its names are those of GGUF; HADAL_OPT_CONVERT_IMATRIX reads it. dataset
 * names the text in it and may be empty; chunk_size is how many tokens it counts as a chunk, 0 for
 * 512. E_INVALID_ARGUMENT without the option, and before anything is computed; E_FORMAT if what is
 * to be added to is of another model; E_IO, E_NO_SPACE: no file is left. [any] */
HADAL_API hadal_status hadal_model_save_imatrix(const hadal_model* model, const char* to,
                                                size_t to_size, const char* dataset,
                                                size_t dataset_size, int32_t chunk_size,
                                                int32_t flags, hadal_error** error);

/* The model's tokenizer; it outlives the weights. Fails only under HADAL_OPT_HEADERS_ONLY, where
 * the files have none. [any] */
HADAL_API hadal_status hadal_model_tokenizer(hadal_model* model, hadal_tokenizer** out,
                                             hadal_error** error);
HADAL_API void hadal_model_free(hadal_model* model); /* [any] */

/* ---- Conversion: writes a checkpoint from a checkpoint -----------------------------------------
 * Paths to read are as of a model. GGUF files are written from directories and GGUF files: in other
 * types, in one file or a set of them (TO-00001-of-00003.gguf ... for TO.gguf; whatever the source
 * was), with or without MTP layers. Directories are written from directories: fp8 as bf16, with
 * everything else that lies in them. Memory is bounded (hadal_convert_sizes); files appear under
 * their names when all of them are whole and on the disk, until then ".part" stands behind. A
 * request that fails, is cancelled or freed leaves everything as it was. */

typedef struct hadal_convert_sizes { /* written by us */
  uint32_t struct_size, flags;       /* set by you: sizeof(hadal_convert_sizes); 0 */
  uint64_t read_bytes;               /* of tensors and copied files */
  uint64_t write_bytes;              /* of all files together: what the disk has to hold */
  uint64_t free_bytes;               /* there, now; UINT64_MAX if the system does not say */
  uint64_t largest_file_bytes;
  uint64_t work_bytes;      /* memory under HADAL_OPT_HOST_BYTES; less, and slower, below that */
  uint64_t files, tensors;  /* to be written */
  uint64_t encoded_tensors; /* get another type than they have */
  uint64_t substituted_tensors; /* of those: another than was asked for, whose blocks do not fit */
  uint64_t requantised_tensors; /* of those: out of a block format, so they lose precision twice */
} hadal_convert_sizes;

/* Reads headers and writes nothing, whatever is there already. Errors as of hadal_convert. [any] */
HADAL_API hadal_status hadal_convert_plan(hadal_runtime* runtime, const char* from,
                                          size_t from_size, const char* to, size_t to_size,
                                          const hadal_config* config, hadal_convert_sizes* out,
                                          hadal_error** error);
/* Starts to convert; a unit of work is a piece of a tensor, about a tenth of a second, or what the
 * system takes to bring up to 256 MiB to the disk. The call and the request fail as
 * hadal_model_load, with E_OUT_OF_RANGE for a type or rule that is none, E_UNSUPPORTED for what
 * cannot be written so, E_INVALID_ARGUMENT if a file is there already, E_NO_SPACE, with the bytes
 * wanted, before the work where the system tells, E_BUSY if somebody writes the same file. [any] */
HADAL_API hadal_status hadal_convert(hadal_runtime* runtime, const char* from, size_t from_size,
                                     const char* to, size_t to_size, const hadal_config* config,
                                     hadal_request** out, hadal_error** error);

/* ---- Tokenizer: text never turns into special tokens unless HADAL_TEXT_SPECIAL is set ----------
 */

enum {
  HADAL_TEXT_SPECIAL = 1, /* encode: parse special tokens; decode: write their text */
  HADAL_TEXT_BOS = 2,     /* encode: begin with BOS unless the text itself does */
  HADAL_CHAT_PROMPT = 16, /* apply_chat: end with the opening of an answer */
  HADAL_CHAT_THINK = 32   /* apply_chat: let the model think, where the format can choose */
};
/* Text to ids. Any bytes are accepted and survive the way back. E_BUFFER_TOO_SMALL; E_LIMIT above
 * INT32_MAX bytes. [any] */
HADAL_API hadal_status hadal_tokenizer_encode(const hadal_tokenizer* tokenizer, const char* text,
                                              size_t text_size, int32_t flags, int32_t* tokens,
                                              size_t tokens_cap, size_t* n_tokens,
                                              hadal_error** error);
/* Ids to raw bytes; special tokens are left out without HADAL_TEXT_SPECIAL. E_OUT_OF_RANGE for an
 * id outside the vocabulary. [any] */
HADAL_API hadal_status hadal_tokenizer_decode(const hadal_tokenizer* tokenizer,
                                              const int32_t* tokens, size_t n_tokens, int32_t flags,
                                              char* text, size_t text_cap, size_t* text_size,
                                              hadal_error** error);
HADAL_API void hadal_tokenizer_free(hadal_tokenizer* tokenizer); /* [any] */

/* ---- Session: appending is cheap and computes nothing; prefill or generate does ----------------
 */

/* E_OUT_OF_RANGE for a cache type that is none and a context beyond the model's, E_UNSUPPORTED for
 * a cache type whose blocks of 32 do not divide the model's kv_lora_rank, E_INVALID_ARGUMENT for a
 * model loaded with HADAL_OPT_HEADERS_ONLY. [any] */
HADAL_API hadal_status hadal_session_create(hadal_model* model, const hadal_config* config,
                                            hadal_session** out, hadal_error** error);
/* Queues tokens. E_CONTEXT_FULL if they do not fit, E_OUT_OF_RANGE for an id outside the
 * vocabulary: nothing is added. [one] */
HADAL_API hadal_status hadal_session_append_tokens(hadal_session* session, const int32_t* tokens,
                                                   size_t n_tokens, hadal_error** error);
/* Encodes and queues. HADAL_TEXT_BOS adds BOS only at length 0 and only once. E_LIMIT. [one] */
HADAL_API hadal_status hadal_session_append_text(hadal_session* session, const char* text,
                                                 size_t text_size, int32_t flags,
                                                 hadal_error** error);
/* Adds a message to the conversation: role "system", "user", "assistant" or "tool". Queues nothing:
 * hadal_session_apply_chat does. E_INVALID_ARGUMENT for another role or invalid UTF-8; E_LIMIT for
 * one message more, or one that is longer, than the session's input limits allow. [one] */
HADAL_API hadal_status hadal_session_add_message(hadal_session* session, const char* role,
                                                 size_t role_size, const char* content,
                                                 size_t content_size, hadal_error** error);
/* The same for one message as a JSON object: role, content (text or null), tool_calls ([{id, type,
 * function: {name, arguments}}], arguments a JSON text), tool_call_id. [one] */
HADAL_API hadal_status hadal_session_add_message_json(hadal_session* session, const char* json,
                                                      size_t json_size, hadal_error** error);
/* Renders all messages, rewinds to the longest common prefix with the sequence, queues the rest.
 * E_UNSUPPORTED if the file's chat template is not a known one and HADAL_OPT_CHAT_FORMAT names
 * none. [one] */
HADAL_API hadal_status hadal_session_apply_chat(hadal_session* session, int32_t flags,
                                                hadal_error** error);
/* Forgets the messages; the sequence stays until the next apply_chat. [one] */
HADAL_API hadal_status hadal_session_clear_messages(hadal_session* session, hadal_error** error);
/* Tokens of the sequence, those still queued included. [any] */
HADAL_API uint64_t hadal_session_length(const hadal_session* session);
/* The ids of the sequence. E_BUFFER_TOO_SMALL. [any] */
HADAL_API hadal_status hadal_session_tokens(const hadal_session* session, int32_t* tokens,
                                            size_t tokens_cap, size_t* n_tokens,
                                            hadal_error** error);
/* Cuts the sequence, computed and queued tokens alike. E_OUT_OF_RANGE beyond its length. [one] */
HADAL_API hadal_status hadal_session_rewind(hadal_session* session, uint64_t length,
                                            hadal_error** error);
/* A second session with the same sequence and messages; the cache is shared until one writes. [one]
 */
HADAL_API hadal_status hadal_session_fork(hadal_session* session, hadal_session** out,
                                          hadal_error** error);
/* Computes what is queued. The request fails with E_BUDGET, E_NO_MEMORY, E_INVALID_ARGUMENT if the
 * session is empty. With HADAL_OPT_KEEP_LOGITS E_BUDGET and E_NO_MEMORY come at once if there is no
 * room for the logits. [one] */
HADAL_API hadal_status hadal_session_prefill(hadal_session* session, const hadal_config* config,
                                             hadal_request** out, hadal_error** error);
/* Logits after the last token, vocab_size floats; rows beyond the tokenizer have weights, but mean
 * nothing. E_NOT_FOUND if the last token has not been computed. [any] */
HADAL_API hadal_status hadal_session_logits(const hadal_session* session, float* logits,
                                            size_t logits_cap, size_t* n_logits,
                                            hadal_error** error);
HADAL_API void hadal_session_free(hadal_session* session); /* [one] */

/* ---- Sampler: same logits, history and draw number give the same token, on every machine -------
 * Order of the stages: logit bias, penalties (repetition, presence, frequency), DRY, top-k,
 * typical, top-p, min-p, XTC, temperature, draw. Temperature 0 takes the best after the penalties.
 * The draw is Philox4x32-10 with the seed as key and the draw number as counter. */

/* [any] */
HADAL_API hadal_status hadal_sampler_create(hadal_runtime* runtime, const hadal_config* config,
                                            hadal_sampler** out, hadal_error** error);
/* Chooses a token. history feeds the penalties and masks rows without text; it may be NULL.
 * E_INVALID_ARGUMENT if no logit is finite. [any] */
HADAL_API hadal_status hadal_sampler_pick(const hadal_sampler* sampler,
                                          const hadal_session* history, const float* logits,
                                          size_t n_logits, uint64_t draw, int32_t* token,
                                          hadal_error** error);
HADAL_API void hadal_sampler_free(hadal_sampler* sampler); /* [any] */

/* ---- Requests: idle until first step, poll or wait ---------------------------------------------
 * From its creation to its end, its session answers E_BUSY. A unit of work is one layer times one
 * chunk of tokens; between units a request can pause and be cancelled. It ends as done (DONE on
 * every later call), failed (the same error every time) or cancelled (E_CANCELLED). A generate that
 * ends early leaves the session with its earlier tokens and exactly those announced by TOKEN
 * events. */

enum {
  HADAL_EVENT_PROGRESS = 1, /* progress, monotone 0..1: of a load, conversion or queued tokens   */
  HADAL_EVENT_TOKEN = 2,    /* token, logprob                                                   */
  HADAL_EVENT_TEXT = 3,     /* text, channel                                                    */
  HADAL_EVENT_FINISH = 4    /* finish                                                           */
};
enum { HADAL_CHANNEL_ANSWER = 0, HADAL_CHANNEL_REASONING = 1, HADAL_CHANNEL_TOOL = 2 };
enum {
  HADAL_FINISH_STOP = 1,   /* the model ended its turn, or a stop text came */
  HADAL_FINISH_LENGTH = 2, /* HADAL_OPT_MAX_TOKENS */
  HADAL_FINISH_TOOL = 3,   /* the turn ended with tool calls */
  HADAL_FINISH_CONTEXT = 4 /* the session is full */
};
enum { HADAL_CONTINUE = 0, HADAL_STOP = 1 };
typedef struct hadal_event { /* written by us */
  uint32_t struct_size;      /* set by you: sizeof(hadal_event) */
  int32_t kind;
  uint64_t sequence;       /* 0, 1, 2, ... per request */
  int32_t token;           /* TOKEN */
  float logprob;           /* TOKEN; NaN unless HADAL_OPT_LOGPROBS */
  int32_t channel, finish; /* TEXT; FINISH */
  double progress;         /* PROGRESS */
  const char* text;        /* TEXT: whole UTF-8 characters; valid until the next poll or the end of
                              the callback */
  size_t text_size;
} hadal_event;
typedef struct hadal_stats { /* written by us; of a request, or summed over a runtime */
  uint32_t struct_size, flags;
  uint64_t prompt_tokens;    /* tokens computed that were queued */
  uint64_t reused_tokens;    /* tokens of the sequence already in the cache at the start */
  uint64_t generated_tokens; /* TOKEN events */
  uint64_t drafted_tokens, accepted_tokens; /* 0 */
  uint64_t queue_ns;                        /* from the call until the first unit of work */
  uint64_t prefill_ns; /* until the queued tokens were computed; of a load or conversion: its whole
                          time */
  uint64_t first_token_ns;             /* from the first unit of work until the first TOKEN */
  uint64_t decode_ns;                  /* from the first to the last TOKEN */
  uint64_t seed;                       /* of the sampler */
  uint64_t read_bytes;                 /* bytes read from files; mapped bytes are not counted */
  uint64_t expert_hits, expert_misses; /* 0 */
  uint64_t host_bytes, host_peak;      /* memory under HADAL_OPT_HOST_BYTES, now and at most */
  uint64_t device_bytes, device_peak;  /* 0 */
} hadal_stats;
typedef int32_t (*hadal_event_fn)(void* user_data, const hadal_event* event);

/* Works through what is queued, then writes on until the model ends its turn. An empty session is
 * E_INVALID_ARGUMENT. [one] */
HADAL_API hadal_status hadal_session_generate(hadal_session* session, const hadal_sampler* sampler,
                                              const hadal_config* config, hadal_request** out,
                                              hadal_error** error);
/* Works on this thread for about budget_ns and returns PENDING, EVENT, DONE or an error; 0 is
 * exactly one unit of work. [one] */
HADAL_API hadal_status hadal_request_step(hadal_request* request, uint64_t budget_ns,
                                          hadal_error** error);
/* Takes one event out: EVENT and *out is written; else PENDING, DONE or the error. Never blocks and
 * never computes. [one] */
HADAL_API hadal_status hadal_request_poll(hadal_request* request, hadal_event* out,
                                          hadal_error** error);
/* Blocks until there is an event (EVENT), the end (DONE or the error) or the timeout (PENDING);
 * with HADAL_OPT_THREADS 0 it does the work meanwhile. [one] */
HADAL_API hadal_status hadal_request_wait(hadal_request* request, uint64_t timeout_ns,
                                          hadal_error** error);
/* One atomic store; seen before the next unit of work. Idempotent. [signal] */
HADAL_API void hadal_request_cancel(hadal_request* request);
/* Events go to fn instead of poll, in order, on the thread that does the work; returning anything
 * but HADAL_CONTINUE cancels. Inside fn only hadal_request_cancel and [any] functions of other
 * objects may be called. Only while the request is idle. destroy may be NULL. [one] */
HADAL_API hadal_status hadal_request_set_callback(hadal_request* request, hadal_event_fn fn,
                                                  void* user_data, void (*destroy)(void* user_data),
                                                  hadal_error** error);
/* The model of a finished load; again gives another handle to the same model. E_INVALID_ARGUMENT
 * before the end, and of a load that failed. [one] */
HADAL_API hadal_status hadal_request_take_model(hadal_request* request, hadal_model** out,
                                                hadal_error** error);
/* The best tokens at a position of the session that this request generated, best first, with their
 * log-probabilities before any sampler stage; top_cap at most, and 0 asks how many there are.
 * E_NOT_FOUND. [any] */
HADAL_API hadal_status hadal_request_logprobs(const hadal_request* request, uint64_t position,
                                              int32_t* tokens, float* logprobs, size_t top_cap,
                                              size_t* n_top, hadal_error** error);
/* Logits after the token at a position of the session, vocab_size floats, of a prefill with
 * HADAL_OPT_KEEP_LOGITS: from when that token is computed until the request is freed, also if the
 * request failed later. They have the bits that hadal_session_logits would show after a prefill up
 * to there under HADAL_OPT_DETERMINISM 2. E_NOT_FOUND; E_INVALID_ARGUMENT for a request of another
 * kind. [any] */
HADAL_API hadal_status hadal_request_logits(const hadal_request* request, uint64_t position,
                                            float* logits, size_t logits_cap, size_t* n_logits,
                                            hadal_error** error);
/* [any] */
HADAL_API hadal_status hadal_request_stats(const hadal_request* request, hadal_stats* out,
                                           hadal_error** error);
/* [any] */
HADAL_API hadal_status hadal_runtime_stats(const hadal_runtime* runtime, hadal_stats* out,
                                           hadal_error** error);
HADAL_API void hadal_request_free(hadal_request* request); /* [one] cancels and waits first */

#ifdef __cplusplus
}
#endif
#endif /* HADAL_H */
