/* clang-format off */
/* Written by capi/abi.py --write from include/hadal/hadal.h; not to be edited.
 * Every function against NULL handles, outputs and texts, sizes beyond all memory, capacities that
 * are too small, bytes that are no UTF-8, unknown keys and flags, and, where handles are checked,
 * against freed and foreign ones. On failure outputs stay as they were and the error says why. */
#include "bad_arguments.h"

static void try_hadal_error_code(const struct objects* at) {
  (void)at;
  EXPECT(hadal_error_code(NULL) == 0);
}

static void try_hadal_error_errno(const struct objects* at) {
  (void)at;
  EXPECT(hadal_error_errno(NULL) == 0);
}

static void try_hadal_error_retry(const struct objects* at) {
  (void)at;
  EXPECT(hadal_error_retry(NULL) == 0);
}

static void try_hadal_error_message(const struct objects* at) {
  (void)at;
  EXPECT(hadal_error_message(NULL)[0] == 0);
}

static void try_hadal_error_hint(const struct objects* at) {
  (void)at;
  EXPECT(hadal_error_hint(NULL)[0] == 0);
}

static void try_hadal_error_free(const struct objects* at) {
  (void)at;
  hadal_error_free(NULL);
}

static void try_hadal_option_find(const struct objects* at) {
  (void)at;
  int32_t key_[1];
  fill(key_, sizeof key_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_option_find(NULL, 3, key_, error));
  REFUSES(ANY_ERROR, hadal_option_find("temperature", SIZE_MAX, key_, error));
  REFUSES(ANY_ERROR, hadal_option_find("\xff\xfe", 2, key_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_option_find("temperature", 11, NULL, error));
  EXPECT(is_filled(key_, sizeof key_, 0));
}

static void try_hadal_option_describe(const struct objects* at) {
  (void)at;
  hadal_option_desc out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  REFUSES(ANY_ERROR, hadal_option_describe(0, out_, error));
  REFUSES(ANY_ERROR, hadal_option_describe(-1, out_, error));
  REFUSES(ANY_ERROR, hadal_option_describe(INT32_MAX, out_, error));
  REFUSES(ANY_ERROR, hadal_option_describe(INT32_MIN, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_option_describe(HADAL_OPT_TOP_K, NULL, error));
  REFUSES(ANY_ERROR, hadal_option_describe(HADAL_OPT_TOP_K, &empty_option_desc, error));
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_config_create(const struct objects* at) {
  (void)at;
  hadal_config* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_create(NULL, error));
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_config_set_i64(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_i64(NULL, HADAL_OPT_TOP_K, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_i64(at->config, 0, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_i64(at->config, -1, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_i64(at->config, INT32_MAX, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_i64(at->config, INT32_MIN, 1, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_i64(at->freed_config, HADAL_OPT_TOP_K, 1, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_i64((hadal_config*)(void*)at->model, HADAL_OPT_TOP_K, 1, error));
#endif
}

static void try_hadal_config_set_f64(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_f64(NULL, HADAL_OPT_TOP_P, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_f64(at->config, 0, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_f64(at->config, -1, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_f64(at->config, INT32_MAX, 1, error));
  REFUSES(ANY_ERROR, hadal_config_set_f64(at->config, INT32_MIN, 1, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_f64(at->freed_config, HADAL_OPT_TOP_P, 1, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_f64((hadal_config*)(void*)at->model, HADAL_OPT_TOP_P, 1, error));
#endif
}

static void try_hadal_config_set_str(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_str(NULL, HADAL_OPT_BACKEND, "Once", 4, error));
  REFUSES(ANY_ERROR, hadal_config_set_str(at->config, 0, "Once", 4, error));
  REFUSES(ANY_ERROR, hadal_config_set_str(at->config, -1, "Once", 4, error));
  REFUSES(ANY_ERROR, hadal_config_set_str(at->config, INT32_MAX, "Once", 4, error));
  REFUSES(ANY_ERROR, hadal_config_set_str(at->config, INT32_MIN, "Once", 4, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_str(at->config, HADAL_OPT_BACKEND, NULL, 3, error));
  REFUSES(ANY_ERROR, hadal_config_set_str(at->config, HADAL_OPT_BACKEND, "Once", SIZE_MAX, error));
  REFUSES(ANY_ERROR, hadal_config_set_str(at->config, HADAL_OPT_BACKEND, "\xff\xfe", 2, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_str(at->freed_config, HADAL_OPT_BACKEND, "Once", 4, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_str((hadal_config*)(void*)at->model, HADAL_OPT_BACKEND, "Once", 4, error));
#endif
}

static void try_hadal_config_free(const struct objects* at) {
  (void)at;
  hadal_config_free(NULL);
}

static void try_hadal_config_set_allocator(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_allocator(NULL, &some_allocator, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_allocator(at->config, NULL, error));
  REFUSES(ANY_ERROR, hadal_config_set_allocator(at->config, &empty_allocator, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_allocator(at->freed_config, &some_allocator, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_allocator((hadal_config*)(void*)at->model, &some_allocator, error));
#endif
}

static void try_hadal_config_set_executor(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_executor(NULL, &some_executor, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_executor(at->config, NULL, error));
  REFUSES(ANY_ERROR, hadal_config_set_executor(at->config, &empty_executor, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_executor(at->freed_config, &some_executor, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_executor((hadal_config*)(void*)at->model, &some_executor, error));
#endif
}

static void try_hadal_config_set_io(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_io(NULL, &some_io, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_io(at->config, NULL, error));
  REFUSES(ANY_ERROR, hadal_config_set_io(at->config, &empty_io, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_io(at->freed_config, &some_io, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_io((hadal_config*)(void*)at->model, &some_io, error));
#endif
}

static void try_hadal_config_set_log_sink(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_log_sink(NULL, &some_log_sink, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_config_set_log_sink(at->config, NULL, error));
  REFUSES(ANY_ERROR, hadal_config_set_log_sink(at->config, &empty_log_sink, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_log_sink(at->freed_config, &some_log_sink, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_config_set_log_sink((hadal_config*)(void*)at->model, &some_log_sink, error));
#endif
}

static void try_hadal_runtime_create(const struct objects* at) {
  (void)at;
  hadal_runtime* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_runtime_create(NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_runtime_create(at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_runtime_create((hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_runtime_free(const struct objects* at) {
  (void)at;
  hadal_runtime_free(NULL);
}

static void try_hadal_model_plan(const struct objects* at) {
  (void)at;
  hadal_memory_plan out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_plan(NULL, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_plan(at->runtime, NULL, 3, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_model_plan(at->runtime, at->path, SIZE_MAX, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_model_plan(at->runtime, "\xff\xfe", 2, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_plan(at->runtime, at->path, strlen(at->path), NULL, NULL, error));
  REFUSES(ANY_ERROR, hadal_model_plan(at->runtime, at->path, strlen(at->path), NULL, &empty_memory_plan, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_plan(at->freed_runtime, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_plan((hadal_runtime*)(void*)at->model, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_plan(at->runtime, at->path, strlen(at->path), at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_plan(at->runtime, at->path, strlen(at->path), (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_model_load(const struct objects* at) {
  (void)at;
  hadal_request* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_load(NULL, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_load(at->runtime, NULL, 3, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_model_load(at->runtime, at->path, SIZE_MAX, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_model_load(at->runtime, "\xff\xfe", 2, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_load(at->runtime, at->path, strlen(at->path), NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_load(at->freed_runtime, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_load((hadal_runtime*)(void*)at->model, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_load(at->runtime, at->path, strlen(at->path), at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_load(at->runtime, at->path, strlen(at->path), (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_model_verify(const struct objects* at) {
  (void)at;
  hadal_request* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_verify(NULL, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_verify(at->runtime, NULL, 3, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_model_verify(at->runtime, at->path, SIZE_MAX, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_model_verify(at->runtime, "\xff\xfe", 2, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_verify(at->runtime, at->path, strlen(at->path), NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_verify(at->freed_runtime, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_verify((hadal_runtime*)(void*)at->model, at->path, strlen(at->path), NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_verify(at->runtime, at->path, strlen(at->path), at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_verify(at->runtime, at->path, strlen(at->path), (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_model_metadata(const struct objects* at) {
  (void)at;
  EXPECT(hadal_model_metadata(NULL, "general.architecture", 20) == NULL);
  EXPECT(hadal_model_metadata(at->model, NULL, 3) == NULL);
  EXPECT(hadal_model_metadata(at->model, "general.architecture", SIZE_MAX) == NULL);
  EXPECT(hadal_model_metadata(at->model, "\xff\xfe", 2) == NULL);
#ifdef HADAL_CHECKED_HANDLES
  EXPECT(hadal_model_metadata(at->freed_model, "general.architecture", 20) == NULL);
  EXPECT(hadal_model_metadata((hadal_model*)(void*)at->session, "general.architecture", 20) == NULL);
#endif
}

static void try_hadal_model_profile(const struct objects* at) {
  (void)at;
  hadal_op_profile out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  EXPECT(hadal_model_profile(NULL, 0, out_) == NULL);
  EXPECT(hadal_model_profile(at->model, 0, NULL) == NULL);
  EXPECT(hadal_model_profile(at->model, 0, &empty_op_profile) == NULL);
#ifdef HADAL_CHECKED_HANDLES
  EXPECT(hadal_model_profile(at->freed_model, 0, out_) == NULL);
  EXPECT(hadal_model_profile((hadal_model*)(void*)at->session, 0, out_) == NULL);
#endif
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_model_save_imatrix(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_save_imatrix(NULL, "unwritten.gguf", 14, "tales", 5, 0, 0, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_save_imatrix(at->model, NULL, 3, "tales", 5, 0, 0, error));
  REFUSES(ANY_ERROR, hadal_model_save_imatrix(at->model, "unwritten.gguf", SIZE_MAX, "tales", 5, 0, 0, error));
  REFUSES(ANY_ERROR, hadal_model_save_imatrix(at->model, "\xff\xfe", 2, "tales", 5, 0, 0, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_save_imatrix(at->model, "unwritten.gguf", 14, NULL, 3, 0, 0, error));
  REFUSES(ANY_ERROR, hadal_model_save_imatrix(at->model, "unwritten.gguf", 14, "tales", SIZE_MAX, 0, 0, error));
  REFUSES(ANY_ERROR, hadal_model_save_imatrix(at->model, "unwritten.gguf", 14, "\xff\xfe", 2, 0, 0, error));
  REFUSES(ANY_ERROR, hadal_model_save_imatrix(at->model, "unwritten.gguf", 14, "tales", 5, 0, INT32_MIN, error));
  REFUSES(ANY_ERROR, hadal_model_save_imatrix(at->model, "unwritten.gguf", 14, "tales", 5, 0, 1 << 30, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_save_imatrix(at->freed_model, "unwritten.gguf", 14, "tales", 5, 0, 0, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_save_imatrix((hadal_model*)(void*)at->session, "unwritten.gguf", 14, "tales", 5, 0, 0, error));
#endif
}

static void try_hadal_model_tokenizer(const struct objects* at) {
  (void)at;
  hadal_tokenizer* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_tokenizer(NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_model_tokenizer(at->model, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_tokenizer(at->freed_model, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_model_tokenizer((hadal_model*)(void*)at->session, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_model_free(const struct objects* at) {
  (void)at;
  hadal_model_free(NULL);
}

static void try_hadal_convert_plan(const struct objects* at) {
  (void)at;
  hadal_convert_sizes out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert_plan(NULL, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert_plan(at->runtime, NULL, 3, "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert_plan(at->runtime, at->path, SIZE_MAX, "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert_plan(at->runtime, "\xff\xfe", 2, "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert_plan(at->runtime, at->path, strlen(at->path), NULL, 3, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert_plan(at->runtime, at->path, strlen(at->path), "unwritten.gguf", SIZE_MAX, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert_plan(at->runtime, at->path, strlen(at->path), "\xff\xfe", 2, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert_plan(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, NULL, error));
  REFUSES(ANY_ERROR, hadal_convert_plan(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, &empty_convert_sizes, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert_plan(at->freed_runtime, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert_plan((hadal_runtime*)(void*)at->model, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert_plan(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert_plan(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_convert(const struct objects* at) {
  (void)at;
  hadal_request* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert(NULL, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert(at->runtime, NULL, 3, "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert(at->runtime, at->path, SIZE_MAX, "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert(at->runtime, "\xff\xfe", 2, "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert(at->runtime, at->path, strlen(at->path), NULL, 3, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert(at->runtime, at->path, strlen(at->path), "unwritten.gguf", SIZE_MAX, NULL, out_, error));
  REFUSES(ANY_ERROR, hadal_convert(at->runtime, at->path, strlen(at->path), "\xff\xfe", 2, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_convert(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert(at->freed_runtime, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert((hadal_runtime*)(void*)at->model, at->path, strlen(at->path), "unwritten.gguf", 14, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_convert(at->runtime, at->path, strlen(at->path), "unwritten.gguf", 14, (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_tokenizer_encode(const struct objects* at) {
  (void)at;
  int32_t tokens_[4];
  size_t n_tokens_[1];
  fill(tokens_, sizeof tokens_);
  fill(n_tokens_, sizeof n_tokens_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_encode(NULL, "Once", 4, 0, tokens_, 4, n_tokens_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_encode(at->tokenizer, NULL, 3, 0, tokens_, 4, n_tokens_, error));
  REFUSES(ANY_ERROR, hadal_tokenizer_encode(at->tokenizer, "Once", SIZE_MAX, 0, tokens_, 4, n_tokens_, error));
  REFUSES(ANY_ERROR, hadal_tokenizer_encode(at->tokenizer, "Once", 4, INT32_MIN, tokens_, 4, n_tokens_, error));
  REFUSES(ANY_ERROR, hadal_tokenizer_encode(at->tokenizer, "Once", 4, 1 << 30, tokens_, 4, n_tokens_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_encode(at->tokenizer, "Once", 4, 0, NULL, 4, n_tokens_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_encode(at->tokenizer, "Once", 4, 0, tokens_, 4, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_tokenizer_encode(at->freed_tokenizer, "Once", 4, 0, tokens_, 4, n_tokens_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_tokenizer_encode((hadal_tokenizer*)(void*)at->model, "Once", 4, 0, tokens_, 4, n_tokens_, error));
#endif
  {
    size_t wanted = 0, found = 0;
    ASKS(hadal_tokenizer_encode(at->tokenizer, "Once", 4, 0, NULL, 0, &wanted, error));
    if (wanted > 0 && wanted <= 4) {
      TOO_SMALL(hadal_tokenizer_encode(at->tokenizer, "Once", 4, 0, tokens_, wanted - 1, &found, error));
      EXPECT(found == wanted);
    }
    EXPECT(wanted > 0);
  }
  EXPECT(is_filled(tokens_, sizeof tokens_, 0));
  EXPECT(is_filled(n_tokens_, sizeof n_tokens_, 0));
}

static void try_hadal_tokenizer_decode(const struct objects* at) {
  (void)at;
  char text_[4];
  size_t text_size_[1];
  fill(text_, sizeof text_);
  fill(text_size_, sizeof text_size_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_decode(NULL, some_tokens, 3, 0, text_, 4, text_size_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_decode(at->tokenizer, NULL, 3, 0, text_, 4, text_size_, error));
  REFUSES(ANY_ERROR, hadal_tokenizer_decode(at->tokenizer, some_tokens, SIZE_MAX, 0, text_, 4, text_size_, error));
  REFUSES(ANY_ERROR, hadal_tokenizer_decode(at->tokenizer, some_tokens, 3, INT32_MIN, text_, 4, text_size_, error));
  REFUSES(ANY_ERROR, hadal_tokenizer_decode(at->tokenizer, some_tokens, 3, 1 << 30, text_, 4, text_size_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_decode(at->tokenizer, some_tokens, 3, 0, NULL, 4, text_size_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_tokenizer_decode(at->tokenizer, some_tokens, 3, 0, text_, 4, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_tokenizer_decode(at->freed_tokenizer, some_tokens, 3, 0, text_, 4, text_size_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_tokenizer_decode((hadal_tokenizer*)(void*)at->model, some_tokens, 3, 0, text_, 4, text_size_, error));
#endif
  {
    size_t wanted = 0, found = 0;
    ASKS(hadal_tokenizer_decode(at->tokenizer, some_tokens, 3, 0, NULL, 0, &wanted, error));
    if (wanted > 0 && wanted <= 4) {
      TOO_SMALL(hadal_tokenizer_decode(at->tokenizer, some_tokens, 3, 0, text_, wanted - 1, &found, error));
      EXPECT(found == wanted);
    }
    EXPECT(wanted > 0);
  }
  EXPECT(is_filled(text_, sizeof text_, 0));
  EXPECT(is_filled(text_size_, sizeof text_size_, 0));
}

static void try_hadal_tokenizer_free(const struct objects* at) {
  (void)at;
  hadal_tokenizer_free(NULL);
}

static void try_hadal_session_create(const struct objects* at) {
  (void)at;
  hadal_session* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_create(NULL, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_create(at->model, NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_create(at->freed_model, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_create((hadal_model*)(void*)at->session, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_create(at->model, at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_create(at->model, (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_session_append_tokens(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_append_tokens(NULL, some_tokens, 3, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_append_tokens(at->session, NULL, 3, error));
  REFUSES(ANY_ERROR, hadal_session_append_tokens(at->session, some_tokens, SIZE_MAX, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_append_tokens(at->freed_session, some_tokens, 3, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_append_tokens((hadal_session*)(void*)at->model, some_tokens, 3, error));
#endif
}

static void try_hadal_session_append_text(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_append_text(NULL, "Once", 4, 0, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_append_text(at->session, NULL, 3, 0, error));
  REFUSES(ANY_ERROR, hadal_session_append_text(at->session, "Once", SIZE_MAX, 0, error));
  REFUSES(ANY_ERROR, hadal_session_append_text(at->session, "Once", 4, INT32_MIN, error));
  REFUSES(ANY_ERROR, hadal_session_append_text(at->session, "Once", 4, 1 << 30, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_append_text(at->freed_session, "Once", 4, 0, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_append_text((hadal_session*)(void*)at->model, "Once", 4, 0, error));
#endif
}

static void try_hadal_session_add_message(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message(NULL, "user", 4, "Hi", 2, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message(at->session, NULL, 3, "Hi", 2, error));
  REFUSES(ANY_ERROR, hadal_session_add_message(at->session, "user", SIZE_MAX, "Hi", 2, error));
  REFUSES(ANY_ERROR, hadal_session_add_message(at->session, "\xff\xfe", 2, "Hi", 2, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message(at->session, "user", 4, NULL, 3, error));
  REFUSES(ANY_ERROR, hadal_session_add_message(at->session, "user", 4, "Hi", SIZE_MAX, error));
  REFUSES(ANY_ERROR, hadal_session_add_message(at->session, "user", 4, "\xff\xfe", 2, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_add_message(at->freed_session, "user", 4, "Hi", 2, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_add_message((hadal_session*)(void*)at->model, "user", 4, "Hi", 2, error));
#endif
}

static void try_hadal_session_add_message_json(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message_json(NULL, "{\"role\":\"user\",\"content\":\"Hi\"}", 30, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message_json(at->session, NULL, 3, error));
  REFUSES(ANY_ERROR, hadal_session_add_message_json(at->session, "{\"role\":\"user\",\"content\":\"Hi\"}", SIZE_MAX, error));
  REFUSES(ANY_ERROR, hadal_session_add_message_json(at->session, "\xff\xfe", 2, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_add_message_json(at->freed_session, "{\"role\":\"user\",\"content\":\"Hi\"}", 30, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_add_message_json((hadal_session*)(void*)at->model, "{\"role\":\"user\",\"content\":\"Hi\"}", 30, error));
#endif
}

static void try_hadal_session_apply_chat(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_apply_chat(NULL, 0, error));
  REFUSES(ANY_ERROR, hadal_session_apply_chat(at->session, INT32_MIN, error));
  REFUSES(ANY_ERROR, hadal_session_apply_chat(at->session, 1 << 30, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_apply_chat(at->freed_session, 0, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_apply_chat((hadal_session*)(void*)at->model, 0, error));
#endif
}

static void try_hadal_session_clear_messages(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_clear_messages(NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_clear_messages(at->freed_session, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_clear_messages((hadal_session*)(void*)at->model, error));
#endif
}

static void try_hadal_session_length(const struct objects* at) {
  (void)at;
  EXPECT(hadal_session_length(NULL) == 0);
#ifdef HADAL_CHECKED_HANDLES
  EXPECT(hadal_session_length(at->freed_session) == 0);
  EXPECT(hadal_session_length((hadal_session*)(void*)at->model) == 0);
#endif
}

static void try_hadal_session_tokens(const struct objects* at) {
  (void)at;
  int32_t tokens_[4];
  size_t n_tokens_[1];
  fill(tokens_, sizeof tokens_);
  fill(n_tokens_, sizeof n_tokens_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_tokens(NULL, tokens_, 4, n_tokens_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_tokens(at->session, NULL, 4, n_tokens_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_tokens(at->session, tokens_, 4, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_tokens(at->freed_session, tokens_, 4, n_tokens_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_tokens((hadal_session*)(void*)at->model, tokens_, 4, n_tokens_, error));
#endif
  {
    size_t wanted = 0, found = 0;
    ASKS(hadal_session_tokens(at->session, NULL, 0, &wanted, error));
    if (wanted > 0 && wanted <= 4) {
      TOO_SMALL(hadal_session_tokens(at->session, tokens_, wanted - 1, &found, error));
      EXPECT(found == wanted);
    }
    EXPECT(wanted > 0);
  }
  EXPECT(is_filled(tokens_, sizeof tokens_, 0));
  EXPECT(is_filled(n_tokens_, sizeof n_tokens_, 0));
}

static void try_hadal_session_rewind(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_rewind(NULL, 0, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_rewind(at->freed_session, 0, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_rewind((hadal_session*)(void*)at->model, 0, error));
#endif
}

static void try_hadal_session_fork(const struct objects* at) {
  (void)at;
  hadal_session* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_fork(NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_fork(at->session, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_fork(at->freed_session, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_fork((hadal_session*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_session_prefill(const struct objects* at) {
  (void)at;
  hadal_request* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_prefill(NULL, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_prefill(at->session, NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_prefill(at->freed_session, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_prefill((hadal_session*)(void*)at->model, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_prefill(at->session, at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_prefill(at->session, (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_session_logits(const struct objects* at) {
  (void)at;
  float logits_[4];
  size_t n_logits_[1];
  fill(logits_, sizeof logits_);
  fill(n_logits_, sizeof n_logits_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_logits(NULL, logits_, 4, n_logits_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_logits(at->session, NULL, 4, n_logits_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_logits(at->session, logits_, 4, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_logits(at->freed_session, logits_, 4, n_logits_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_logits((hadal_session*)(void*)at->model, logits_, 4, n_logits_, error));
#endif
  {
    size_t wanted = 0, found = 0;
    ASKS(hadal_session_logits(at->session, NULL, 0, &wanted, error));
    if (wanted > 0 && wanted <= 4) {
      TOO_SMALL(hadal_session_logits(at->session, logits_, wanted - 1, &found, error));
      EXPECT(found == wanted);
    }
    EXPECT(wanted > 0);
  }
  EXPECT(is_filled(logits_, sizeof logits_, 0));
  EXPECT(is_filled(n_logits_, sizeof n_logits_, 0));
}

static void try_hadal_session_free(const struct objects* at) {
  (void)at;
  hadal_session_free(NULL);
}

static void try_hadal_sampler_create(const struct objects* at) {
  (void)at;
  hadal_sampler* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_sampler_create(NULL, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_sampler_create(at->runtime, NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_create(at->freed_runtime, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_create((hadal_runtime*)(void*)at->model, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_create(at->runtime, at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_create(at->runtime, (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_sampler_pick(const struct objects* at) {
  (void)at;
  int32_t token_[1];
  fill(token_, sizeof token_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_sampler_pick(NULL, NULL, some_logits, 3, 0, token_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_sampler_pick(at->sampler, NULL, NULL, 3, 0, token_, error));
  REFUSES(ANY_ERROR, hadal_sampler_pick(at->sampler, NULL, some_logits, SIZE_MAX, 0, token_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_sampler_pick(at->sampler, NULL, some_logits, 3, 0, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_pick(at->freed_sampler, NULL, some_logits, 3, 0, token_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_pick((hadal_sampler*)(void*)at->model, NULL, some_logits, 3, 0, token_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_pick(at->sampler, at->freed_session, some_logits, 3, 0, token_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_sampler_pick(at->sampler, (hadal_session*)(void*)at->model, some_logits, 3, 0, token_, error));
#endif
  EXPECT(is_filled(token_, sizeof token_, 0));
}

static void try_hadal_sampler_free(const struct objects* at) {
  (void)at;
  hadal_sampler_free(NULL);
}

static void try_hadal_session_generate(const struct objects* at) {
  (void)at;
  hadal_request* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_generate(NULL, at->sampler, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_generate(at->session, NULL, NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_session_generate(at->session, at->sampler, NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_generate(at->freed_session, at->sampler, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_generate((hadal_session*)(void*)at->model, at->sampler, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_generate(at->session, at->freed_sampler, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_generate(at->session, (hadal_sampler*)(void*)at->model, NULL, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_generate(at->session, at->sampler, at->freed_config, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_session_generate(at->session, at->sampler, (hadal_config*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_request_step(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_step(NULL, 0, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_step(at->freed_request, 0, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_step((hadal_request*)(void*)at->model, 0, error));
#endif
}

static void try_hadal_request_poll(const struct objects* at) {
  (void)at;
  hadal_event out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_poll(NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_poll(at->request, NULL, error));
  REFUSES(ANY_ERROR, hadal_request_poll(at->request, &empty_event, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_poll(at->freed_request, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_poll((hadal_request*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_request_wait(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_wait(NULL, 0, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_wait(at->freed_request, 0, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_wait((hadal_request*)(void*)at->model, 0, error));
#endif
}

static void try_hadal_request_cancel(const struct objects* at) {
  (void)at;
  hadal_request_cancel(NULL);
}

static void try_hadal_request_set_callback(const struct objects* at) {
  (void)at;
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_set_callback(NULL, some_fn, NULL, NULL, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_set_callback(at->request, NULL, NULL, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_set_callback(at->freed_request, some_fn, NULL, NULL, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_set_callback((hadal_request*)(void*)at->model, some_fn, NULL, NULL, error));
#endif
}

static void try_hadal_request_take_model(const struct objects* at) {
  (void)at;
  hadal_model* out_[1];
  fill(out_, sizeof out_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_take_model(NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_take_model(at->load, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_take_model(at->freed_request, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_take_model((hadal_request*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, 0));
}

static void try_hadal_request_logprobs(const struct objects* at) {
  (void)at;
  int32_t tokens_[4];
  float logprobs_[4];
  size_t n_top_[1];
  fill(tokens_, sizeof tokens_);
  fill(logprobs_, sizeof logprobs_);
  fill(n_top_, sizeof n_top_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logprobs(NULL, at->position, tokens_, logprobs_, 4, n_top_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logprobs(at->request, at->position, NULL, logprobs_, 4, n_top_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logprobs(at->request, at->position, tokens_, NULL, 4, n_top_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logprobs(at->request, at->position, tokens_, logprobs_, 4, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_logprobs(at->freed_request, at->position, tokens_, logprobs_, 4, n_top_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_logprobs((hadal_request*)(void*)at->model, at->position, tokens_, logprobs_, 4, n_top_, error));
#endif
  EXPECT(is_filled(tokens_, sizeof tokens_, 0));
  EXPECT(is_filled(logprobs_, sizeof logprobs_, 0));
  EXPECT(is_filled(n_top_, sizeof n_top_, 0));
}

static void try_hadal_request_logits(const struct objects* at) {
  (void)at;
  float logits_[4];
  size_t n_logits_[1];
  fill(logits_, sizeof logits_);
  fill(n_logits_, sizeof n_logits_);
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logits(NULL, 0, logits_, 4, n_logits_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logits(at->prefill, 0, NULL, 4, n_logits_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_logits(at->prefill, 0, logits_, 4, NULL, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_logits(at->freed_request, 0, logits_, 4, n_logits_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_logits((hadal_request*)(void*)at->model, 0, logits_, 4, n_logits_, error));
#endif
  {
    size_t wanted = 0, found = 0;
    ASKS(hadal_request_logits(at->prefill, 0, NULL, 0, &wanted, error));
    if (wanted > 0 && wanted <= 4) {
      TOO_SMALL(hadal_request_logits(at->prefill, 0, logits_, wanted - 1, &found, error));
      EXPECT(found == wanted);
    }
    EXPECT(wanted > 0);
  }
  EXPECT(is_filled(logits_, sizeof logits_, 0));
  EXPECT(is_filled(n_logits_, sizeof n_logits_, 0));
}

static void try_hadal_request_stats(const struct objects* at) {
  (void)at;
  hadal_stats out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_stats(NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_request_stats(at->request, NULL, error));
  REFUSES(ANY_ERROR, hadal_request_stats(at->request, &empty_stats, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_stats(at->freed_request, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_request_stats((hadal_request*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_runtime_stats(const struct objects* at) {
  (void)at;
  hadal_stats out_[1];
  fill(out_, sizeof out_);
  out_[0].struct_size = sizeof out_[0];
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_runtime_stats(NULL, out_, error));
  REFUSES(HADAL_E_INVALID_ARGUMENT, hadal_runtime_stats(at->runtime, NULL, error));
  REFUSES(ANY_ERROR, hadal_runtime_stats(at->runtime, &empty_stats, error));
#ifdef HADAL_CHECKED_HANDLES
  REFUSES(HADAL_E_BAD_HANDLE, hadal_runtime_stats(at->freed_runtime, out_, error));
  REFUSES(HADAL_E_BAD_HANDLE, hadal_runtime_stats((hadal_runtime*)(void*)at->model, out_, error));
#endif
  EXPECT(is_filled(out_, sizeof out_, sizeof(uint32_t)));
}

static void try_hadal_request_free(const struct objects* at) {
  (void)at;
  hadal_request_free(NULL);
}

void try_bad_arguments(const struct objects* at) {
  try_hadal_error_code(at);
  try_hadal_error_errno(at);
  try_hadal_error_retry(at);
  try_hadal_error_message(at);
  try_hadal_error_hint(at);
  try_hadal_error_free(at);
  try_hadal_option_find(at);
  try_hadal_option_describe(at);
  try_hadal_config_create(at);
  try_hadal_config_set_i64(at);
  try_hadal_config_set_f64(at);
  try_hadal_config_set_str(at);
  try_hadal_config_free(at);
  try_hadal_config_set_allocator(at);
  try_hadal_config_set_executor(at);
  try_hadal_config_set_io(at);
  try_hadal_config_set_log_sink(at);
  try_hadal_runtime_create(at);
  try_hadal_runtime_free(at);
  try_hadal_model_plan(at);
  try_hadal_model_load(at);
  try_hadal_model_verify(at);
  try_hadal_model_metadata(at);
  try_hadal_model_profile(at);
  try_hadal_model_save_imatrix(at);
  try_hadal_model_tokenizer(at);
  try_hadal_model_free(at);
  try_hadal_convert_plan(at);
  try_hadal_convert(at);
  try_hadal_tokenizer_encode(at);
  try_hadal_tokenizer_decode(at);
  try_hadal_tokenizer_free(at);
  try_hadal_session_create(at);
  try_hadal_session_append_tokens(at);
  try_hadal_session_append_text(at);
  try_hadal_session_add_message(at);
  try_hadal_session_add_message_json(at);
  try_hadal_session_apply_chat(at);
  try_hadal_session_clear_messages(at);
  try_hadal_session_length(at);
  try_hadal_session_tokens(at);
  try_hadal_session_rewind(at);
  try_hadal_session_fork(at);
  try_hadal_session_prefill(at);
  try_hadal_session_logits(at);
  try_hadal_session_free(at);
  try_hadal_sampler_create(at);
  try_hadal_sampler_pick(at);
  try_hadal_sampler_free(at);
  try_hadal_session_generate(at);
  try_hadal_request_step(at);
  try_hadal_request_poll(at);
  try_hadal_request_wait(at);
  try_hadal_request_cancel(at);
  try_hadal_request_set_callback(at);
  try_hadal_request_take_model(at);
  try_hadal_request_logprobs(at);
  try_hadal_request_logits(at);
  try_hadal_request_stats(at);
  try_hadal_runtime_stats(at);
  try_hadal_request_free(at);
}
