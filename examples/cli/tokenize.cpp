// hadal tokenize: text to ids and back. Without --special the text is plain text, whatever it
// looks like.
#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/prompt.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

std::vector<int32_t> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  size_t at = 0;
  while ((at = text.find_first_not_of(", \t\n[]", at)) != std::string::npos) {
    const size_t end = text.find_first_of(", \t\n[]", at);
    const int64_t id = whole_number("--decode", text.substr(at, end - at));
    if (id < INT32_MIN || id > INT32_MAX) {
      throw UsageError("--decode: " + std::to_string(id) + " is no token id", "Ids have 32 bits.");
    }
    ids.push_back(static_cast<int32_t>(id));
    at = end;
  }
  return ids;
}

}  // namespace

void TokenizeCommand::add_to(CLI::App& app) {
  text_option =
      app.add_option("-p,--prompt,text", text, "The text; without one it is read from stdin")
          ->option_text("TEXT");
  ids_option = app.add_option("--decode", ids, "The other way: these ids to text")
                   ->option_text("ID,ID")
                   ->excludes(text_option);
  app.add_flag("--special", special, "Parse special tokens; with --decode, write them");
  app.add_flag("--bos", bos, "Begin with BOS");
  options.add_model_flags(app);
  options.add_output_flags(app);
}

int TokenizeCommand::run() {
  options.resolve();
  const bool decode = ids_option->count() > 0;
  const std::vector<int32_t> given = decode ? parse_ids(ids) : std::vector<int32_t>{};
  if (!decode && text_option->count() == 0) text = read_stdin();

  options.model_options.set_i64(HADAL_OPT_HEADERS_ONLY, 1);  // weights know nothing of text
  const Engine engine(options);
  const hadal::Tokenizer tokenizer = engine.model().tokenizer();
  const int32_t flags = (special ? HADAL_TEXT_SPECIAL : 0) | (bos ? HADAL_TEXT_BOS : 0);
  if (decode) {
    const std::string result = tokenizer.decode(given, special ? HADAL_TEXT_SPECIAL : 0);
    write_out(options.json ? json_line({{"text", result}}) : result + "\n");
    return kOk;
  }
  const std::vector<int32_t> tokens = tokenizer.encode(text, flags);
  if (options.json) {
    write_out(json_line({{"tokens", tokens}}));
    return kOk;
  }
  std::string lines;
  for (const int32_t token : tokens) {
    // Written as JSON, so that spaces, line breaks and halves of characters can be seen.
    const Json piece = tokenizer.decode(&token, 1, HADAL_TEXT_SPECIAL);
    lines += std::to_string(token) + "\t" + json_line(piece);
  }
  write_out(lines);
  return kOk;
}

}  // namespace cli
