// Importance matrices of a hadal_model.
#include "capi/arguments.hpp"
#include "capi/guard.hpp"
#include "lib/session/save_imatrix.hpp"

hadal_status hadal_model_save_imatrix(const hadal_model* model, const char* to, size_t to_size,
                                      const char* dataset, size_t dataset_size, int32_t chunk_size,
                                      int32_t flags, hadal_error** error) {
  return hadal::capi::guard_any(model, error, [&](const hadal_model& m) -> absl::Status {
    HADAL_RETURN_IF_ERROR(
        hadal::capi::flags_in(flags, HADAL_IMATRIX_DAT | HADAL_IMATRIX_HEAD | HADAL_IMATRIX_ADD));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view where, hadal::capi::text_in("to", to, to_size));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view text,
                           hadal::capi::text_in("dataset", dataset, dataset_size));
    if (chunk_size < 0) {
      return hadal::fail(HADAL_E_INVALID_ARGUMENT, absl::StrCat("chunk_size is ", chunk_size),
                         "Give the tokens of a chunk, or 0 for 512.");
    }
    hadal::SaveImatrixOptions options;
    options.dataset = std::string(text);
    if (chunk_size > 0) options.chunk_size = static_cast<uint32_t>(chunk_size);
    options.as_dat = (flags & HADAL_IMATRIX_DAT) != 0;
    options.with_head = (flags & HADAL_IMATRIX_HEAD) != 0;
    options.add = (flags & HADAL_IMATRIX_ADD) != 0;
    return hadal::save_imatrix(*m.impl, std::string(where), options);
  });
}
