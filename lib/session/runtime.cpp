#include "lib/session/runtime.hpp"

#include <algorithm>
#include <system_error>

#include "lib/session/request.hpp"

namespace hadal {

Driver::Driver() : thread_([this] { run(); }) {}

Driver::~Driver() {
  {
    const MutexLock lock(&mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  thread_.join();
}

void Driver::add(Request* request) {
  const MutexLock lock(&mutex_);
  entries_.push_back(std::make_unique<Entry>(Entry{request}));
}

void Driver::remove(Request* request) {
  MutexLock lock(&mutex_);
  const auto place = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry->request == request; });
  if (place == entries_.end()) return;
  Entry* entry = place->get();
  released_.wait(lock.native(), [entry] { return !entry->in_use; });
  std::erase_if(entries_, [entry](const auto& other) { return other.get() == entry; });
}

void Driver::wake() {
  { const MutexLock lock(&mutex_); }  // whoever checks is either before its check or asleep
  work_.notify_one();
}

Driver::Entry* Driver::next_that_can_work() {
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry* entry = entries_[(turn_ + i) % entries_.size()].get();
    if (entry->request->can_work()) {
      turn_ = (turn_ + i + 1) % entries_.size();
      return entry;
    }
  }
  return nullptr;
}

void Driver::run() {
  become_hadal_thread(0);
  MutexLock lock(&mutex_);
  while (!stopping_) {
    Entry* entry = next_that_can_work();
    if (entry == nullptr) {
      work_.wait(lock.native());
      continue;
    }
    entry->in_use = true;
    lock.native().unlock();
    entry->request->advance();
    lock.native().lock();
    entry->in_use = false;
    released_.notify_all();
  }
}

absl::StatusOr<std::shared_ptr<Runtime>> Runtime::create(const Config& config) {
  HADAL_RETURN_IF_ERROR(config.require_scope(HADAL_SCOPE_RUNTIME));
  const std::shared_ptr<Runtime> runtime(new Runtime());
  Resources& r = runtime->resources_;
  runtime->determinism_ = config.i64(HADAL_OPT_DETERMINISM);
  runtime->untrusted_ = config.i64(HADAL_OPT_UNTRUSTED) != 0;
  runtime->host_io_ = config.io != nullptr;
  r.memory =
      Memory::create(config.allocator, static_cast<uint64_t>(config.i64(HADAL_OPT_HOST_BYTES)));
  r.files = config.io ? host_files(config.io) : system_files();
  r.log = std::make_shared<Log>(config.log_sink);

  // The threads asked for are all there are: one drives, the others help it.
  int64_t n_threads = config.i64(HADAL_OPT_THREADS);
  if (n_threads < 0) n_threads = available_cores();
  if (config.executor) {
    r.executor = host_executor(config.executor);
  } else {
    HADAL_ASSIGN_OR_RETURN(r.executor,
                           thread_pool(static_cast<int>(std::max<int64_t>(n_threads - 1, 0))));
  }
  if (n_threads > 0) {
    try {
      runtime->driver_ = std::make_unique<Driver>();
    } catch (const std::system_error& error) {
      return fail(HADAL_E_NO_MEMORY, "the system gave no thread to move requests",
                  "Set the option threads to 0, or raise the limit on processes.",
                  error.code().value());
    }
  }
  return runtime;
}

}  // namespace hadal
