#include "lib/verify/tokenizer_check.hpp"

#include <vector>

#include "lib/checkpoint/header_reader.hpp"
#include "lib/text/chat_format.hpp"
#include "lib/text/tokenizer.hpp"

namespace hadal {
namespace {

constexpr absl::string_view kOtherTokenizer =
    "Take the tokenizer files as they were published with this model, or convert it again.";

// Scripts, digits, code, white space, characters of several tokens.
constexpr absl::string_view kTexts[] = {
    "Hello, world! It's 12345678 o'clock; don't panic.",
    "Gr\u00fc\u00dfe aus K\u00f6ln, \u00e9t\u00e9 \u00e0 No\u00ebl, ma\u00f1ana",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440. \u0393\u03b5\u03b9\u03ac "
    "\u03c3\u03bf\u03c5",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f "
    "\uc548\ub155\ud558\uc138\uc694",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd "
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U0001f642 \U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea e\u0301 \ufb01",
    "  def f(x):\n\treturn x[0] ** 2  # two\r\n\n\n   \t end ",
    "<think> </think> <|User|> {\"a\": [1, 2.5e-3, null]} \\n %d $x$ https://a.b/c?d=e",
};

void check_texts(const Tokenizer& tokenizer, const std::string& source, Findings& findings) {
  for (const absl::string_view text : kTexts) {
    const std::vector<int32_t> ids = tokenizer.encode(text, false);
    const std::string back = tokenizer.decode(ids, false);
    if (back == text) continue;
    size_t at = 0;
    while (at < back.size() && at < text.size() && back[at] == text[at]) ++at;
    findings.error(absl::StrCat(source, ": the text ", printable(text), " comes back as ",
                                printable(back), ", different from byte ", at, " on"),
                   std::string(kOtherTokenizer));
  }
}

void check_special_tokens(const Tokenizer& tokenizer, const std::string& source, Findings& findings,
                          int32_t& n_special) {
  for (int32_t id = 0; id < tokenizer.n_tokens(); ++id) {
    const TokenKind kind = tokenizer.kind(id);
    if (kind != TokenKind::kControl && kind != TokenKind::kUserDefined) continue;
    ++n_special;
    const std::string text(tokenizer.bytes(id));
    const std::vector<int32_t> ids = tokenizer.encode(text, true);
    if (ids != std::vector<int32_t>{id}) {
      findings.error(
          absl::StrCat(source, ": the special token ", id, ", ", printable(text), ", is read as ",
                       ids.size(), " tokens",
                       ids.empty() ? "" : absl::StrCat(", the first ", ids[0])),
          "Two tokens have the same text, or one has none. " + std::string(kOtherTokenizer));
      continue;
    }
    if (tokenizer.decode(ids, true) != text) {
      findings.error(absl::StrCat(source, ": the special token ", id, ", ", printable(text),
                                  ", is written as ", printable(tokenizer.decode(ids, true))),
                     std::string(kOtherTokenizer));
    }
  }
}

}  // namespace

void check_tokenizer(const Checkpoint& checkpoint, const ModelConfig* config, Findings& findings) {
  findings.begin("tokenizer");
  absl::StatusOr<Vocabulary> vocabulary = checkpoint.vocabulary();
  if (!vocabulary.ok()) {
    findings.error(vocabulary.status());
    return findings.end("");
  }
  const std::string source = vocabulary->source;
  const absl::StatusOr<std::shared_ptr<const Tokenizer>> made =
      Tokenizer::create(*std::move(vocabulary));
  if (!made.ok()) {
    findings.error(made.status());
    return findings.end("");
  }
  const Tokenizer& tokenizer = **made;
  check_texts(tokenizer, source, findings);
  int32_t n_special = 0;
  check_special_tokens(tokenizer, source, findings, n_special);

  bool can_end = false;
  for (int32_t id = 0; id < tokenizer.n_tokens(); ++id) {
    const bool ends = tokenizer.ends_generation(id), begins = tokenizer.bos_id() == id;
    can_end = can_end || ends;
    if (!(ends || begins) || tokenizer.kind(id) == TokenKind::kControl) continue;
    findings.warning(absl::StrCat(source, ": token ", id, ", ", printable(tokenizer.bytes(id)),
                                  ", ", ends ? "ends answers" : "begins texts",
                                  " and is no control token: people would see it"),
                     std::string(kOtherTokenizer));
  }
  if (!can_end) {
    findings.error(absl::StrCat(source, ": no token ends an answer"),
                   "eos_token_id is missing: take generation_config.json as it was published, or "
                   "convert the model again.");
  }
  if (tokenizer.add_bos() && !tokenizer.bos_id()) {
    findings.warning(absl::StrCat(source, ": text is to begin with BOS, and there is none"),
                     "bos_token_id is missing: take the files as they were published.");
  }
  if (config != nullptr && tokenizer.n_tokens() > config->vocab_size) {
    findings.error(absl::StrCat(source, ": the vocabulary has ", tokenizer.n_tokens(),
                                " tokens, the model only ", config->vocab_size, " rows"),
                   "Tokenizer and weights are of different models: convert the file again.");
  }
  if (!recognise_chat_format(tokenizer.chat_template()).ok()) {
    findings.note(absl::StrCat(source, tokenizer.chat_template().empty()
                                           ? ": no chat template"
                                           : ": the chat template is none of the known ones"),
                  "For chat, name a format with the option chat_format.");
  }
  findings.end(absl::StrCat(tokenizer.n_tokens(), " tokens, of which ", n_special,
                            " special; text comes back as it went"));
}

}  // namespace hadal
