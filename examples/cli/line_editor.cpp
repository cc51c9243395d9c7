// libedit with a way of its own to read a key: Ctrl-C has to end the line, and libedit would start
// the read again.
#include "examples/cli/line_editor.hpp"

#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <iostream>

#include "examples/cli/interrupt.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {

struct LineEditor::Terminal {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string history_file, prompt;
};

namespace {

// Waits for a byte of stdin. False if Ctrl-C came, also if it came before: a signal is let in only
// while we wait for it, or one between the look at the flag and the read would be lost.
bool wait_for_key() {
  sigset_t interrupt_only, before;
  sigemptyset(&interrupt_only);
  sigaddset(&interrupt_only, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt_only, &before);
  sigset_t open = before;
  sigdelset(&open, SIGINT);
  pollfd key = {STDIN_FILENO, POLLIN, 0};
  while (!interrupt::pending() && ppoll(&key, 1, nullptr, &open) < 0 && errno == EINTR) {
  }  // the window changed its size
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return !interrupt::pending();
}

// One character of the terminal's encoding. 0 ends the line as the end of a file does.
int read_key(EditLine*, wchar_t* key) {
  std::mbstate_t state{};
  for (;;) {
    if (!wait_for_key()) return 0;
    char byte = 0;
    const ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    const size_t used = std::mbrtowc(key, &byte, 1, &state);
    if (used == static_cast<size_t>(-2)) continue;  // the rest is still to come
    if (used == static_cast<size_t>(-1)) {          // not of this encoding
      state = {};
      continue;
    }
    return 1;
  }
}

constexpr char kQuote = '\1';  // around what takes no place on the screen

}  // namespace

LineEditor::LineEditor(const std::string& history_file) {
  if (!stdin_is_terminal() || !stdout_is_terminal()) return;
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
  }
  terminal_ = std::make_unique<Terminal>();
  Terminal& t = *terminal_;
  t.history_file = history_file;
  t.edit = el_init("hadal", stdin, stdout, stderr);
  t.history = history_init();
  HistEvent event;
  history(t.history, &event, H_SETSIZE, 1000);
  history(t.history, &event, H_SETUNIQUE, 1);
  if (!t.history_file.empty()) history(t.history, &event, H_LOAD, t.history_file.c_str());
  el_set(t.edit, EL_CLIENTDATA, &t);
  el_set(t.edit, EL_EDITOR, "emacs");
  el_set(t.edit, EL_SIGNAL, 0);
  el_set(t.edit, EL_GETCFN, read_key);
  el_set(t.edit, EL_HIST, history, t.history);
  char* (*prompt)(EditLine*) = [](EditLine* edit) {
    void* data = nullptr;
    el_get(edit, EL_CLIENTDATA, &data);
    return static_cast<Terminal*>(data)->prompt.data();
  };
  el_set(t.edit, EL_PROMPT_ESC, prompt, kQuote);
  el_source(t.edit, nullptr);  // the person's own ~/.editrc
}

LineEditor::~LineEditor() {
  if (!terminal_) return;
  Terminal& t = *terminal_;
  HistEvent event;
  if (!t.history_file.empty() && history(t.history, &event, H_SAVE, t.history_file.c_str()) < 0) {
    write_note("warning: cannot write the history to " + t.history_file);
  }
  history_end(t.history);
  el_end(t.edit);
}

LineEditor::Result LineEditor::read_once(const char* prompt, std::string& line) {
  if (!terminal_) {
    if (!std::getline(std::cin, line)) {
      return interrupt::pending() ? Result::kInterrupted : Result::kEnd;
    }
    return Result::kLine;
  }
  Terminal& t = *terminal_;
  t.prompt = prompt;
  if (stdout_has_colours()) {
    t.prompt = std::string("\1\033[1;36m\1") + prompt + "\1\033[0m\1";
  }
  int length = 0;
  const char* typed = el_gets(t.edit, &length);
  if (interrupt::pending() || typed == nullptr || length <= 0) {
    std::fputs("\n", stdout);
    return interrupt::pending() ? Result::kInterrupted : Result::kEnd;
  }
  line.assign(typed, static_cast<size_t>(length));
  if (!line.empty() && line.back() == '\n') line.pop_back();
  if (!line.empty()) {
    HistEvent event;
    history(t.history, &event, H_ENTER, line.c_str());
  }
  return Result::kLine;
}

LineEditor::Result LineEditor::read(std::string& line) {
  line.clear();
  const char* prompt = "> ";
  for (;;) {
    std::string part;
    const Result result = read_once(prompt, part);
    if (result == Result::kInterrupted) return result;
    if (result == Result::kEnd) return line.empty() ? result : Result::kLine;
    line += part;
    if (line.empty() || line.back() != '\\') return Result::kLine;
    line.back() = '\n';
    prompt = "| ";
  }
}

}  // namespace cli
