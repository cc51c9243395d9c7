// hadal convert, quantise, cast, split, merge: five doors to the one conversion of the library.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/progress.hpp"
#include "examples/cli/run_to_end.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000.0 && unit + 1 < std::size(kUnits); ++unit) value /= 1000.0;
  char text[40];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string files_text(const hadal_convert_sizes& sizes) {
  return std::to_string(sizes.files) + (sizes.files == 1 ? " file, " : " files, ") +
         size_text(sizes.write_bytes);
}

std::string describe(const hadal_convert_sizes& s) {
  std::string out;
  const auto line = [&](const char* what, const std::string& value) {
    out += std::string(what) + "  " + value + "\n";
  };
  line("to be written       ", files_text(s));
  line("largest file        ", size_text(s.largest_file_bytes));
  line("to be read          ", size_text(s.read_bytes));
  line("free on the disk    ", s.free_bytes == kUnknown ? "unknown" : size_text(s.free_bytes));
  line("working memory      ", size_text(s.work_bytes));
  line("tensors             ", std::to_string(s.tensors));
  line("  in another type   ", std::to_string(s.encoded_tensors));
  line("  type does not fit ", std::to_string(s.substituted_tensors));
  line("  quantised twice   ", std::to_string(s.requantised_tensors));
  return out;
}

std::string json_text(const hadal_convert_sizes& s) {
  return json_line({{"files", s.files},
                    {"write_bytes", s.write_bytes},
                    {"largest_file_bytes", s.largest_file_bytes},
                    {"read_bytes", s.read_bytes},
                    {"free_bytes", s.free_bytes == kUnknown ? Json(nullptr) : Json(s.free_bytes)},
                    {"work_bytes", s.work_bytes},
                    {"tensors", s.tensors},
                    {"encoded_tensors", s.encoded_tensors},
                    {"substituted_tensors", s.substituted_tensors},
                    {"requantised_tensors", s.requantised_tensors}});
}

}  // namespace

void ConversionPaths::add_to(CLI::App& app) {
  app.add_option("FROM", from, "GGUF file, any file of a split set, or a directory of safetensors")
      ->option_text(" ")
      ->required();
  app.add_option("TO", to, "The file to be written; a directory where one is written")
      ->option_text(" ")
      ->required();
}

void ConversionPaths::add_flags_to(CLI::App& app) {
  app.add_flag("--dry-run", dry_run, "Only say what would be written")->group("Output");
  app.add_flag("--force,--overwrite", overwrite, "Replace files that are there")->group("Output");
  options.add_output_flags(app);
}

int ConversionPaths::run() {
  options.resolve();
  if (overwrite) options.conversion.set_i64(HADAL_OPT_CONVERT_OVERWRITE, 1);
  const hadal::Runtime runtime = hadal::Runtime::create(options.runtime);
  const hadal_convert_sizes sizes = [&] {
    if (dry_run) return runtime.convert_plan(from, to, options.conversion);
    // Its warnings come again with the conversion.
    const hadal::Runtime quiet = hadal::Runtime::create();
    return quiet.convert_plan(from, to, options.conversion);
  }();
  if (dry_run) {
    write_out(options.json ? json_text(sizes) : describe(sizes));
    return kOk;
  }
  const auto started = std::chrono::steady_clock::now();
  hadal::Request request = runtime.convert(from, to, options.conversion);
  Progress progress("writing", !options.quiet, /*with_remaining=*/true);
  const bool done = run_to_end(request, [&](const hadal::Event& event) {
    if (event.kind() == HADAL_EVENT_PROGRESS) progress.show(event.progress());
  });
  progress.erase();
  if (!done) throw Interrupted{};
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  char seconds[40];
  std::snprintf(seconds, sizeof seconds, "%.1f s", took.count());
  if (options.json) write_out(json_text(sizes));
  if (!options.quiet) write_note(to + ": " + files_text(sizes) + " in " + seconds, Style::kDim);
  return kOk;
}

void ConvertCommand::add_to(CLI::App& app) {
  work.add_to(app);
  work.options.add_conversion_flags(app);
  work.options.add_split_flags(app);
  work.options.add_work_flags(app);
  work.add_flags_to(app);
}

int ConvertCommand::run() { return work.run(); }

void QuantiseCommand::add_to(CLI::App& app) {
  work.add_to(app);
  app.add_option("TYPE", type, "Type or mix of the matrices: q8_0, bf16, q4_k_m, iq4_xs ...")
      ->option_text(" ")
      ->required();
  work.options.add_quantisation_flags(app);
  work.options.add_split_flags(app);
  work.options.add_work_flags(app);
  work.add_flags_to(app);
}

int QuantiseCommand::run() {
  work.options.conversion.set_str(HADAL_OPT_CONVERT_TYPE, type);
  return work.run();
}

void CastCommand::add_to(CLI::App& app) {
  app.add_option("--input-fp8-hf-path,FROM", work.from, "Directory with weights in FP8")
      ->option_text("DIR")
      ->required();
  app.add_option("--output-bf16-hf-path,TO", work.to, "Directory to be written")
      ->option_text("DIR")
      ->required();
  work.options.add_work_flags(app);
  work.add_flags_to(app);
}

int CastCommand::run() {
  work.options.conversion.set_str(HADAL_OPT_CONVERT_FORMAT, "safetensors");
  work.options.conversion.set_str(HADAL_OPT_CONVERT_TYPE, "bf16");
  return work.run();
}

void SplitCommand::add_to(CLI::App& app) {
  work.add_to(app);
  app.add_option("--size", size, "Most bytes of a file: 500M, 40G")->option_text("SIZE");
  app.add_option("--tensors", tensors, "Most tensors of a file")->option_text("N");
  work.options.add_work_flags(app);
  work.add_flags_to(app);
}

int SplitCommand::run() {
  if (size.empty() && tensors == 0) {
    throw UsageError("split wants --size or --tensors", "hadal split FROM TO --size 40G");
  }
  if (!size.empty())
    work.options.conversion.set_i64(HADAL_OPT_CONVERT_SPLIT_BYTES, size_in_bytes("--size", size));
  if (tensors != 0) work.options.conversion.set_i64(HADAL_OPT_CONVERT_SPLIT_TENSORS, tensors);
  return work.run();
}

void MergeCommand::add_to(CLI::App& app) {
  work.add_to(app);
  work.options.add_work_flags(app);
  work.add_flags_to(app);
}

int MergeCommand::run() { return work.run(); }

}  // namespace cli
