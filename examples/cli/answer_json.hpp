// An answer as a program reads it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "examples/cli/engine.hpp"

namespace cli {

using Json = nlohmann::ordered_json;

// text, reasoning and tools where there are any, finish, counts, speeds, seed; logprobs if asked
// for.
Json answer_json(const Answer& answer, const Engine& engine, const Options& options);

// One line. What is not UTF-8 is replaced.
std::string json_line(const Json& json);

}  // namespace cli
