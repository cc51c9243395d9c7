// The stages of a sampler, one file each; sampler.cpp calls them in the order that hadal.h gives.
//
// The first three change logits, of which -inf means "never to be chosen": it stays, and no stage
// makes another one but the ban of a logit bias. The others take candidates out, at least one
// remains.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "lib/sampling/candidates.hpp"

namespace hadal {

struct SamplerOptions;

// logit_bias.cpp: adds to single logits; -inf bans. Ids beyond the logits have no effect.
void add_logit_bias(std::span<float> logits, std::span<const std::pair<int32_t, double>> bias);

// penalties.cpp: against repeating single tokens of the last penalty_window ones.
void apply_penalties(std::span<float> logits, std::span<const int32_t> history,
                     const SamplerOptions& options);

// dry.cpp: against repeating whole stretches of the last dry_window tokens.
void apply_dry(std::span<float> logits, std::span<const int32_t> history,
               const SamplerOptions& options);

// top_k.cpp: the k > 0 best.
void keep_top_k(Candidates& candidates, int64_t k);

// typical.cpp: the tokens whose surprise is closest to the expected one, up to the mass p.
void keep_typical(Candidates& candidates, double p);

// top_p.cpp: the best tokens, up to the mass p.
void keep_top_p(Candidates& candidates, double p);

// min_p.cpp: the tokens at least min_p times as probable as the best.
void keep_min_p(Candidates& candidates, double min_p);

// xtc.cpp: where several tokens have at least this probability, only the least of these, and those
// below.
void exclude_top_choices(Candidates& candidates, double threshold);

// temperature.cpp: the draw, from weights at this temperature > 0; uniform is in [0, 1).
int32_t draw_at_temperature(const Candidates& candidates, double temperature, double uniform);

// A changed logit, back in the range of a float and finite.
float saturated(double logit);

}  // namespace hadal
