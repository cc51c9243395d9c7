// Loads a model and writes what follows a prompt. Usage: hello_cpp MODEL PROMPT
#include <hadal/hadal.hpp>
#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " MODEL PROMPT\n";
    return 2;
  }
  try {
    const hadal::Runtime runtime = hadal::Runtime::create();
    const hadal::Model model = runtime.load_model(argv[1]);
    const hadal::Sampler sampler = runtime.create_sampler();
    hadal::Session session = model.create_session();
    session.append_text(argv[2], HADAL_TEXT_BOS);
    hadal::Request answer = session.generate(sampler);
    for (const hadal::Event& event : answer) std::cout << event.text() << std::flush;
  } catch (const hadal::Error& error) {
    std::cerr << error.what() << '\n' << error.hint() << '\n';
    return 1;
  }
}
