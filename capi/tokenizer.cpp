// hadal_tokenizer: text to ids and back.
#include "capi/arguments.hpp"
#include "capi/guard.hpp"

using hadal::capi::guard_any;

hadal_status hadal_tokenizer_encode(const hadal_tokenizer* tokenizer, const char* text,
                                    size_t text_size, int32_t flags, int32_t* tokens,
                                    size_t tokens_cap, size_t* n_tokens, hadal_error** error) {
  return guard_any(tokenizer, error, [&](const hadal_tokenizer& t) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::flags_in(flags, HADAL_TEXT_SPECIAL | HADAL_TEXT_BOS));
    HADAL_ASSIGN_OR_RETURN(const absl::string_view bytes,
                           hadal::capi::bytes_in("text", text, text_size));
    if (bytes.size() > hadal::Tokenizer::kMostBytes) {
      return hadal::fail(
          HADAL_E_LIMIT, absl::StrCat("a text of ", bytes.size(), " bytes"),
          absl::StrCat("Encode it in parts of at most ", hadal::Tokenizer::kMostBytes, " bytes."));
    }
    std::vector<int32_t> ids = t.impl->encode(bytes, (flags & HADAL_TEXT_SPECIAL) != 0);
    const auto bos = t.impl->bos_id();
    if ((flags & HADAL_TEXT_BOS) != 0 && bos && (ids.empty() || ids.front() != *bos)) {
      ids.insert(ids.begin(), *bos);
    }
    return hadal::capi::array_out<int32_t>("tokens", ids, tokens, tokens_cap, n_tokens);
  });
}

hadal_status hadal_tokenizer_decode(const hadal_tokenizer* tokenizer, const int32_t* tokens,
                                    size_t n_tokens, int32_t flags, char* text, size_t text_cap,
                                    size_t* text_size, hadal_error** error) {
  return guard_any(tokenizer, error, [&](const hadal_tokenizer& t) -> absl::Status {
    HADAL_RETURN_IF_ERROR(hadal::capi::flags_in(flags, HADAL_TEXT_SPECIAL));
    HADAL_ASSIGN_OR_RETURN(const std::span<const int32_t> ids,
                           hadal::capi::array_in("tokens", tokens, n_tokens));
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= 0 && ids[i] < t.impl->n_tokens()) continue;
      return hadal::fail(HADAL_E_OUT_OF_RANGE,
                         absl::StrCat("token ", i, " is ", ids[i], ", outside the vocabulary of ",
                                      t.impl->n_tokens()),
                         "Take ids from this model's own tokenizer.");
    }
    const std::string bytes = t.impl->decode(ids, (flags & HADAL_TEXT_SPECIAL) != 0);
    return hadal::capi::array_out<char>("text", bytes, text, text_cap, text_size);
  });
}

void hadal_tokenizer_free(hadal_tokenizer* tokenizer) {
  if (hadal::capi::may_free(tokenizer)) delete tokenizer;
}
