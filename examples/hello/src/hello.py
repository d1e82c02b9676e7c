def init():
    pass  # nothing to load


def run(mini_batch):
    greetings = []
    for path in mini_batch:
        with open(path, encoding="utf-8") as file:
            greetings.append(f"Hello, {file.read().strip()}!")
    return greetings
