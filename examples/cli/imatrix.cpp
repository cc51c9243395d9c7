// hadal imatrix: reads a text and writes down how large the inputs of every weight were, for
// quantisation to types of few bits.
#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/progress.hpp"
#include "examples/cli/scored_text.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {

void ImatrixCommand::add_to(CLI::App& app) {
  app.add_option("-f,--text,--file", text, "The text; - is stdin")->option_text("FILE")->required();
  app.add_option("-o,--output", output, "The importance matrix; .dat makes one of the old layout")
      ->option_text("FILE")
      ->required();
  app.add_option("-c,--context,--ctx-size", context, "Tokens that are read together")
      ->option_text("N")
      ->capture_default_str();
  app.add_option("--chunks", n_windows, "Most contexts; default: the whole text")->option_text("N");
  app.add_flag("--add", add, "Add to what is in the file");
  app.add_flag("--process-output", with_head, "Measure the head too");
  app.add_flag("--no-bos", no_bos, "Begin no context with BOS");
  options.add_model_flags(app, /*is_positional=*/true);
  options.add_output_flags(app);
}

int ImatrixCommand::run() {
  if (context < 2 || context > (1 << 24)) {
    throw UsageError("--context is " + std::to_string(context), "Give at least 2.");
  }
  if (n_windows < 0) throw UsageError("--chunks is negative", "Give at least 1, or leave it out.");
  options.resolve();
  options.model_options.set_i64(HADAL_OPT_IMATRIX, 1);
  const std::string bytes = read_text_file(text);
  Engine engine(options);
  const hadal::Model& model = engine.model();
  const std::optional<int32_t> bos = no_bos ? std::nullopt : bos_of(model);
  std::vector<Window> windows =
      all_scored_windows(model.tokenizer().encode(bytes), bos, static_cast<size_t>(context), 0);
  if (n_windows > 0 && windows.size() > static_cast<size_t>(n_windows)) {
    windows.resize(static_cast<size_t>(n_windows));
  }
  if (windows.empty()) throw Failure(text + ": no text", "Give one of some thousand words.");

  hadal::Config session_config, prefill_config;
  session_config.set_i64(HADAL_OPT_CONTEXT, context);
  prefill_config.set_i64(HADAL_OPT_KEEP_LOGITS, with_head ? 1 : 0);
  size_t n_tokens = 0;
  {
    Progress progress("measuring", !options.quiet);
    for (size_t w = 0; w < windows.size(); ++w) {
      progress.show(static_cast<double>(w) / static_cast<double>(windows.size()));
      hadal::Session session = model.create_session(session_config);
      session.append_tokens(windows[w].tokens);
      engine.prefill(session, prefill_config);
      n_tokens += windows[w].tokens.size();
    }
  }
  const bool is_dat = output.size() >= 4 && output.compare(output.size() - 4, 4, ".dat") == 0;
  model.save_imatrix(output, text, static_cast<int32_t>(context),
                     (is_dat ? HADAL_IMATRIX_DAT : 0) | (with_head ? HADAL_IMATRIX_HEAD : 0) |
                         (add ? HADAL_IMATRIX_ADD : 0));
  if (options.json) {
    write_out(json_line({{"model", options.model},
                         {"output", output},
                         {"tokens", n_tokens},
                         {"windows", windows.size()}}));
  } else if (!options.quiet) {
    write_note(output + ": of " + std::to_string(n_tokens) + " tokens in " +
                   std::to_string(windows.size()) + " contexts",
               Style::kDim);
  }
  return kOk;
}

}  // namespace cli
