// hadal version: of the library that is loaded, and how it was built.
#include <hadal/hadal.hpp>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {

void VersionCommand::add_to(CLI::App& app) { app.add_flag("--json", json, "One line of JSON"); }

int VersionCommand::run() {
  const std::string info(hadal::build_info());
  if (json) {
    write_out(info + "\n");
    return kOk;
  }
  const Json built = Json::parse(info, nullptr, false);
  const uint32_t abi = hadal::abi_version();
  std::string text = "hadal " + built.value("version", std::string("?")) + " (ABI " +
                     std::to_string(abi >> 16) + "." + std::to_string(abi & 0xffff) + ")\n";
  for (const auto& [name, value] : built.items()) {
    if (name != "version") {
      text +=
          "  " + name + ": " + (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
    }
  }
  write_out(text);
  return kOk;
}

}  // namespace cli
