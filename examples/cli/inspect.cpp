// hadal inspect: what a file holds, what memory it takes, and what keeps it from running.
#include <cstdio>
#include <optional>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/flag_names.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

constexpr size_t kLongestValue = 100;

std::string metadata(const hadal::Model& model, std::string_view key) {
  return std::string(model.metadata(key).value_or("null"));
}

Json parsed(const hadal::Model& model, std::string_view key) {
  return Json::parse(metadata(model, key), nullptr, false);
}

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024.0 && unit + 1 < std::size(kUnits); ++unit) value /= 1024.0;
  char text[40];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

// Long values are cut between characters, and long arrays say how long they are.
std::string shortened(std::string value) {
  const bool is_array = !value.empty() && value[0] == '[';
  if (value.size() <= kLongestValue) return value;
  std::string note = "... (" + std::to_string(value.size()) + " bytes)";
  if (is_array) {
    const Json array = Json::parse(value, nullptr, false);
    if (array.is_array()) note = "... (" + std::to_string(array.size()) + " elements)";
  }
  size_t end = kLongestValue;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  value.resize(end);
  return value + note;
}

// One line, whatever bytes a file puts into its values.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

// The memory a model takes, or why it cannot run.
struct Plan {
  hadal_memory_plan memory{};
  std::optional<hadal::Error> obstacle;
};

bool is_of_the_files(const hadal::Error& error) {
  switch (error.code()) {
    case HADAL_E_NOT_FOUND:
    case HADAL_E_IO:
    case HADAL_E_FORMAT:
    case HADAL_E_UNSUPPORTED:
    case HADAL_E_LIMIT: return true;
    default: return false;
  }
}

Plan planned(Engine& engine, const Options& options) {
  Plan plan;
  try {
    plan.memory = engine.runtime().plan(options.model, options.model_options);
    (void)engine.model().tokenizer();  // which a plan does not need, and a model does
  } catch (const hadal::Error& error) {
    if (!is_of_the_files(error)) throw;
    plan.obstacle = error;
  }
  return plan;
}

Json plan_json(const hadal_memory_plan& plan) {
  return {{"host_weights", plan.host_weights}, {"host_cache", plan.host_cache},
          {"host_scratch", plan.host_scratch}, {"mapped", plan.mapped},
          {"host_minimum", plan.host_minimum}, {"host_comfortable", plan.host_comfortable}};
}

std::string heading(const char* text) {
  return styled(text, Style::kBold, stdout_has_colours()) + "\n";
}

std::string describe_files(const hadal::Model& model) {
  std::string out = heading("files");
  const Json files = parsed(model, "hadal.files"), missing = parsed(model, "hadal.missing_files");
  for (const Json& file : files) {
    out += "  " + one_line(file.value("path", std::string())) + "  " +
           bytes_text(file.value("bytes", uint64_t{0})) + "\n";
  }
  if (missing.empty()) return out;
  out += "  only " + std::to_string(files.size()) + " of " +
         std::to_string(files.size() + missing.size()) + " files of the set; missing:\n";
  constexpr size_t kMostNames = 5;
  for (size_t i = 0; i < missing.size() && i < kMostNames; ++i)
    out += "    " + one_line(missing[i].get<std::string>()) + "\n";
  if (missing.size() > kMostNames)
    out += "    and " + std::to_string(missing.size() - kMostNames) + " more\n";
  return out;
}

std::string describe_memory(const hadal::Model& model, const Plan& plan) {
  if (plan.obstacle) {
    const std::string hint = with_flag_names(plan.obstacle->hint());
    return heading("does not run by itself") + "  " + one_line(plan.obstacle->what()) + "\n" +
           (hint.empty() ? "" : "  " + one_line(hint) + "\n");
  }
  const hadal_memory_plan& memory = plan.memory;
  std::string out = heading("memory");
  out += "  weights mapped from the file  " + bytes_text(memory.mapped) + "\n";
  out += "  weights read into memory      " + bytes_text(memory.host_weights) + "\n";
  out += "  cache at full context         " + bytes_text(memory.host_cache) + "\n";
  out += "  activations and tables        " + bytes_text(memory.host_scratch) + "\n";
  out += "  least that works              " + bytes_text(memory.host_minimum) + "\n";
  out += "  for the full context          " + bytes_text(memory.host_comfortable) + "\n";
  out += "  backend                       " + metadata(model, "hadal.backend") + "\n";
  return out;
}

std::string describe(const hadal::Model& model, const Plan& plan, bool all_tensors) {
  std::string out = describe_files(model) + heading("metadata");
  const Json keys = parsed(model, "hadal.keys");
  for (const Json& key : keys) {
    const auto name = key.get<std::string>();
    out += "  " + one_line(name) + " = " + one_line(shortened(metadata(model, name))) + "\n";
  }
  const Json config = parsed(model, "hadal.config");
  if (!config.is_null()) out += heading("shape");
  for (const auto& [name, value] : config.items()) {
    out += "  " + name + " = " + value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  struct Sum {
    uint64_t tensors = 0, bytes = 0;
  };
  std::map<std::string, Sum> types;
  std::string lines;
  uint64_t total = 0;
  const Json tensors = parsed(model, "hadal.tensors");
  for (const Json& tensor : tensors) {
    const auto bytes = tensor.value("bytes", uint64_t{0});
    const std::string type = tensor.value("type", std::string());
    ++types[type].tensors;
    types[type].bytes += bytes;
    total += bytes;
    lines += "  " + one_line(tensor.value("name", std::string())) + "  " + type + "  " +
             tensor.value("shape", Json::array()).dump() + "  " + bytes_text(bytes) + "\n";
  }
  out += heading("tensors");
  if (all_tensors) out += lines;
  for (const auto& [type, sum] : types) {
    out += "  " + type + ": " + std::to_string(sum.tensors) + " tensors, " + bytes_text(sum.bytes) +
           "\n";
  }
  out += "  together: " + std::to_string(tensors.size()) + " tensors, " + bytes_text(total) + "\n";
  return out + describe_memory(model, plan);
}

}  // namespace

void InspectCommand::add_to(CLI::App& app) {
  app.add_flag("--tensors", tensors, "Every tensor, and not only their sums");
  app.add_option("--key", key, "Only this metadata value, whole")->option_text("NAME");
  options.add_model_flags(app, /*is_positional=*/true);
  options.add_output_flags(app);
}

int InspectCommand::run() {
  options.resolve();
  options.model_options.set_i64(HADAL_OPT_HEADERS_ONLY, 1);  // also of what cannot run
  Engine engine(options);
  const hadal::Model& model = engine.model();
  if (!key.empty()) {
    const auto value = model.metadata(key);
    if (!value) {
      throw Failure(options.model + " has no key '" + key + "'", "hadal inspect lists the keys.");
    }
    write_out(options.json ? json_line({{key, std::string(*value)}}) : std::string(*value) + "\n");
    return kOk;
  }
  const Plan plan = planned(engine, options);
  if (!options.json) {
    write_out(describe(model, plan, tensors));
    return kOk;
  }
  Json values = Json::object();
  for (const Json& name : parsed(model, "hadal.keys")) {
    values[name.get<std::string>()] = metadata(model, name.get<std::string>());
  }
  Json told = {{"files", parsed(model, "hadal.files")},
               {"missing_files", parsed(model, "hadal.missing_files")},
               {"metadata", values},
               {"config", parsed(model, "hadal.config")},
               {"tensors", parsed(model, "hadal.tensors")},
               {"memory_plan", plan.obstacle ? Json() : plan_json(plan.memory)},
               {"backend", metadata(model, "hadal.backend")}};
  if (plan.obstacle)
    told["obstacle"] = {{"message", plan.obstacle->what()}, {"hint", plan.obstacle->hint()}};
  write_out(json_line(told));
  return kOk;
}

}  // namespace cli
