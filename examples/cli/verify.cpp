// hadal verify: what is wrong with a file or directory, where, and what to do.
#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/flag_names.hpp"
#include "examples/cli/progress.hpp"
#include "examples/cli/run_to_end.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

// One line, whatever bytes a file puts into its names.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text + "  ";
}

std::string line_of(const Json& finding) {
  const std::string level = finding.value("level", std::string());
  const bool is_fault = level == "warning" || level == "error";
  std::string line = padded(level, 7);
  if (is_fault) line = styled(line, Style::kBold, stdout_has_colours());
  line += padded(finding.value("check", std::string()), 13);
  line += one_line(finding.value("message", std::string())) + "\n";
  const std::string hint = with_flag_names(finding.value("hint", std::string()));
  if (!hint.empty()) line += std::string(24, ' ') + one_line(hint) + "\n";
  return line;
}

std::string counted(size_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace

void VerifyCommand::add_to(CLI::App& app) {
  app.add_flag("--all", all, "Also what was looked at and is right");
  options.add_model_flags(app, /*is_positional=*/true);
  options.add_output_flags(app);
}

int VerifyCommand::run() {
  options.resolve();
  const hadal::Runtime runtime = hadal::Runtime::create(options.runtime);
  hadal::Request request = runtime.verify(options.model, options.model_options);
  Json findings = Json::array();
  size_t n_errors = 0, n_warnings = 0, n_checks = 0;
  Progress progress("checking", !options.quiet);
  const bool done = run_to_end(request, [&](const hadal::Event& event) {
    if (event.kind() == HADAL_EVENT_PROGRESS) progress.show(event.progress());
    if (event.kind() != HADAL_EVENT_TEXT) return;
    Json finding = Json::parse(event.text(), nullptr, false);
    const std::string level = finding.value("level", std::string());
    if (level == "ok") ++n_checks;
    if (level == "error") ++n_errors;
    if (level == "warning") ++n_warnings;
    findings.push_back(std::move(finding));
  });
  progress.erase();
  if (!done) throw Interrupted{};
  if (options.json) {
    write_out(json_line({{"model", options.model},
                         {"errors", n_errors},
                         {"warnings", n_warnings},
                         {"findings", findings}}));
  } else {
    std::string text;
    for (const Json& finding : findings) {
      if (all || finding.value("level", std::string()) != "ok") text += line_of(finding);
    }
    text += options.model + ": " + counted(n_checks, "check") + " found all in order, " +
            counted(n_errors, "error") + ", " + counted(n_warnings, "warning") + "\n";
    write_out(text);
  }
  return n_errors > 0 ? kFailure : kOk;
}

}  // namespace cli
