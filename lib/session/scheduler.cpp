#include "lib/session/scheduler.hpp"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "lib/base/deadline.hpp"
#include "lib/session/session.hpp"

namespace hadal {

void Scheduler::add(Rows* rows) { running_.push_back(rows); }

void Scheduler::remove(Rows* rows) {
  std::erase(running_, rows);
  for (Part& part : parts_) {
    if (part.rows == rows) part.rows = nullptr;
  }
  if (pass_ && nobody_waits()) {
    pass_.reset();
    parts_.clear();
  }
}

bool Scheduler::nobody_waits() const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.rows == nullptr; });
}

void Scheduler::unit(uint64_t unit_budget_ns) {
  // An exception leaves a layer half done. The pass then goes; its rows wait for the next one.
  absl::Cleanup drop_pass = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    pass_.reset();
    parts_.clear();
  };
  if (pass_ || begin_pass(rows_within(unit_budget_ns))) {
    absl::Status status;
    if (layer_ < model_.config().num_hidden_layers) {
      const uint64_t before = now_ns();
      if (layer_ == 0) pass_->begin();
      pass_->run_layer(layer_++);
      status = model_.backend().wait();
      const double ns = static_cast<double>(now_ns() - before) / pass_->batch().n_rows();
      ns_per_row_ = ns_per_row_ == 0.0 ? ns : 0.75 * ns_per_row_ + 0.25 * ns;
    } else {
      status = finish_pass();
    }
    if (!status.ok()) fail_pass(status);
  }
  std::move(drop_pass).Cancel();
}

int32_t Scheduler::rows_within(uint64_t unit_budget_ns) const {
  const int32_t most = model_.chunk_rows();
  if (unit_budget_ns == UINT64_MAX || ns_per_row_ == 0.0) return most;
  const double rows = static_cast<double>(unit_budget_ns) / 4 / ns_per_row_;
  return rows >= most ? most : std::max(1, static_cast<int32_t>(rows));
}

bool Scheduler::begin_pass(int32_t most_rows) {
  const int32_t most_wanted = std::min(model_.chunk_rows(), kMaxWantedRows);
  Batch batch;
  std::optional<LatentCache> latent_cache;
  parts_.clear();
  // In turn, so that a long prompt does not keep the others waiting. Requests may end and leave the
  // list while we ask them.
  const std::vector<Rows*> candidates = running_;
  for (size_t i = 0; i < candidates.size(); ++i) {
    Rows* rows = candidates[(turn_ + i) % candidates.size()];
    if (batch.n_rows() >= most_rows || batch.n_sessions() >= most_wanted) break;
    if (!rows->wants_rows()) continue;

    Session& session = rows->session();
    // A pass has one type of cache; those of another have their turn first in a later one.
    const DType cache_type = session.cache().latent_cache().row().latent;
    if (!parts_.empty() && cache_type != latent_cache->row().latent) continue;
    const size_t n_waiting = session.n_pending(/*need_logits=*/true);
    const auto tokens = session.pending(static_cast<size_t>(most_rows - batch.n_rows()), true);
    if (tokens.empty()) {
      // Everything is computed and the logits are known: say so, without a pass.
      auto logits = session.logits();
      const absl::Status status =
          logits.ok() ? rows->rows_done(0, *std::move(logits)) : logits.status();
      if (!status.ok()) rows->rows_failed(status);
      continue;
    }
    absl::Status status;
    if (!buffers_) {
      auto made =
          Buffers::create(model_.backend(), model_.config(), model_.chunk_rows(), most_wanted);
      if (made.ok()) buffers_ = *std::move(made);
      status = std::move(made).status();
    }
    const int64_t first = session.n_computed();
    const auto n = static_cast<int64_t>(tokens.size());
    if (status.ok()) status = session.cache().reserve(first, n);
    if (!status.ok()) {
      rows->rows_failed(status);
      continue;
    }
    batch.add(tokens, static_cast<int32_t>(first), session.cache());
    latent_cache = session.cache().latent_cache();
    const bool has_logits = tokens.size() == n_waiting;
    if (has_logits) batch.want_last_row();
    parts_.push_back({rows, n, has_logits});
  }
  ++turn_;
  if (batch.empty()) return false;

  auto views = buffers_->views(batch.n_rows(), static_cast<int32_t>(batch.wanted_rows().size()),
                               batch.n_sessions(), batch.max_pages());
  if (!views.ok()) {
    fail_pass(views.status());
    return false;
  }
  layer_ = 0;
  pass_.emplace(model_.backend(), model_.config(), model_.weights(), model_.rope(), *latent_cache,
                std::move(batch), *views);
  return true;
}

absl::Status Scheduler::finish_pass() {
  pass_->finish();
  const Tensor& logits = pass_->buffers().logits;
  const auto width = static_cast<size_t>(model_.config().vocab_size);
  std::vector<float> all(pass_->batch().wanted_rows().size() * width);
  HADAL_RETURN_IF_ERROR(model_.backend().read(logits, all.data()));

  // Told one by one; a request that ends takes itself off the list.
  const std::vector<Part> parts = std::move(parts_);
  parts_.clear();
  pass_.reset();
  auto next = all.begin();
  for (const Part& part : parts) {
    std::vector<float> row;
    if (part.has_logits) {
      row.assign(next, next + static_cast<ptrdiff_t>(width));
      next += static_cast<ptrdiff_t>(width);
    }
    if (part.rows == nullptr) continue;  // cancelled meanwhile
    part.rows->session().advance(part.n, row);
    const absl::Status status = part.rows->rows_done(part.n, std::move(row));
    if (!status.ok()) part.rows->rows_failed(status);
  }
  return absl::OkStatus();
}

void Scheduler::fail_pass(const absl::Status& status) {
  const std::vector<Part> parts = std::move(parts_);
  parts_.clear();
  pass_.reset();
  for (const Part& part : parts) {
    if (part.rows != nullptr) part.rows->rows_failed(status);
  }
}

}  // namespace hadal
