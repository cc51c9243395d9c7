/* clang-format off */
/* Written by capi/abi.py --write from include/hadal/hadal.h; not to be edited.
 * HADAL_OPTIONS(X) calls X(KEY, "name", TYPE) for every option. */
#ifndef HADAL_TESTS_CAPI_OPTIONS_H
#define HADAL_TESTS_CAPI_OPTIONS_H

#define HADAL_OPTIONS(X) \
  X(HADAL_OPT_THREADS, "threads", HADAL_TYPE_I64) \
  X(HADAL_OPT_HOST_BYTES, "host_bytes", HADAL_TYPE_I64) \
  X(HADAL_OPT_DETERMINISM, "determinism", HADAL_TYPE_I64) \
  X(HADAL_OPT_UNTRUSTED, "untrusted", HADAL_TYPE_I64) \
  X(HADAL_OPT_BACKEND, "backend", HADAL_TYPE_STR) \
  X(HADAL_OPT_MMAP, "mmap", HADAL_TYPE_I64) \
  X(HADAL_OPT_CPU_ISA, "cpu_isa", HADAL_TYPE_STR) \
  X(HADAL_OPT_EXPERT_GROUPS, "expert_groups", HADAL_TYPE_STR) \
  X(HADAL_OPT_CHUNK_ROWS, "chunk_rows", HADAL_TYPE_I64) \
  X(HADAL_OPT_CPU_ACTIVATIONS, "cpu_activations", HADAL_TYPE_STR) \
  X(HADAL_OPT_PROFILE, "profile", HADAL_TYPE_I64) \
  X(HADAL_OPT_IMATRIX, "imatrix", HADAL_TYPE_I64) \
  X(HADAL_OPT_CONTEXT, "context", HADAL_TYPE_I64) \
  X(HADAL_OPT_CACHE_TYPE, "cache_type", HADAL_TYPE_STR) \
  X(HADAL_OPT_CHAT_FORMAT, "chat_format", HADAL_TYPE_STR) \
  X(HADAL_OPT_TEMPERATURE, "temperature", HADAL_TYPE_F64) \
  X(HADAL_OPT_TOP_K, "top_k", HADAL_TYPE_I64) \
  X(HADAL_OPT_TOP_P, "top_p", HADAL_TYPE_F64) \
  X(HADAL_OPT_SEED, "seed", HADAL_TYPE_I64) \
  X(HADAL_OPT_MIN_P, "min_p", HADAL_TYPE_F64) \
  X(HADAL_OPT_TYPICAL_P, "typical_p", HADAL_TYPE_F64) \
  X(HADAL_OPT_REPETITION_PENALTY, "repetition_penalty", HADAL_TYPE_F64) \
  X(HADAL_OPT_PRESENCE_PENALTY, "presence_penalty", HADAL_TYPE_F64) \
  X(HADAL_OPT_FREQUENCY_PENALTY, "frequency_penalty", HADAL_TYPE_F64) \
  X(HADAL_OPT_PENALTY_WINDOW, "penalty_window", HADAL_TYPE_I64) \
  X(HADAL_OPT_DRY_MULTIPLIER, "dry_multiplier", HADAL_TYPE_F64) \
  X(HADAL_OPT_DRY_BASE, "dry_base", HADAL_TYPE_F64) \
  X(HADAL_OPT_DRY_ALLOWED_LENGTH, "dry_allowed_length", HADAL_TYPE_I64) \
  X(HADAL_OPT_DRY_WINDOW, "dry_window", HADAL_TYPE_I64) \
  X(HADAL_OPT_DRY_BREAKERS, "dry_breakers", HADAL_TYPE_STR) \
  X(HADAL_OPT_XTC_PROBABILITY, "xtc_probability", HADAL_TYPE_F64) \
  X(HADAL_OPT_XTC_THRESHOLD, "xtc_threshold", HADAL_TYPE_F64) \
  X(HADAL_OPT_LOGIT_BIAS, "logit_bias", HADAL_TYPE_STR) \
  X(HADAL_OPT_MAX_TOKENS, "max_tokens", HADAL_TYPE_I64) \
  X(HADAL_OPT_STOP, "stop", HADAL_TYPE_STR) \
  X(HADAL_OPT_LOGPROBS, "logprobs", HADAL_TYPE_I64) \
  X(HADAL_OPT_KEEP_LOGITS, "keep_logits", HADAL_TYPE_I64) \
  X(HADAL_OPT_CONVERT_TYPE, "convert_type", HADAL_TYPE_STR) \
  X(HADAL_OPT_CONVERT_FORMAT, "convert_format", HADAL_TYPE_STR) \
  X(HADAL_OPT_CONVERT_RULES, "convert_rules", HADAL_TYPE_STR) \
  X(HADAL_OPT_CONVERT_IMATRIX, "convert_imatrix", HADAL_TYPE_STR) \
  X(HADAL_OPT_CONVERT_SPLIT_BYTES, "convert_split_bytes", HADAL_TYPE_I64) \
  X(HADAL_OPT_CONVERT_SPLIT_TENSORS, "convert_split_tensors", HADAL_TYPE_I64) \
  X(HADAL_OPT_CONVERT_MTP, "convert_mtp", HADAL_TYPE_STR) \
  X(HADAL_OPT_CONVERT_KV_B, "convert_kv_b", HADAL_TYPE_STR) \
  X(HADAL_OPT_CONVERT_OVERWRITE, "convert_overwrite", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_STRING_BYTES, "limit_string_bytes", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_METADATA_ENTRIES, "limit_metadata_entries", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_ARRAY_ELEMENTS, "limit_array_elements", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_TENSORS, "limit_tensors", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_SHARDS, "limit_shards", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_PROMPT_BYTES, "limit_prompt_bytes", HADAL_TYPE_I64) \
  X(HADAL_OPT_LIMIT_MESSAGES, "limit_messages", HADAL_TYPE_I64)

#endif
