"""Exercises and questions of the first page."""

from helpers import transfer
from helpers.exercises import exercise, question
from helpers.quiet import keras


@exercise("start.count", "64 weights and 2 biases: 66 numbers, learned from ten points.")
def count(answer):
    if isinstance(answer, bool) or not isinstance(answer, int):
        return "The answer is a whole number: can you write it as one, or as a small sum?"
    if answer == 66:
        return None
    if answer == 64:
        return "Those are the weights: what does each column of a Dense layer add at the end?"
    if answer in (33, 32):
        return "That would do for one output: how many columns does softmax over two colours need?"
    if answer > 1000:
        return "That counts the backbone, too: which of its weights learn while it is frozen?"
    return "How many inputs does each column of the head see, how many columns are there?"


@exercise("start.freeze", "Only `bends` is frozen; the layers after it still learn.")
def freeze(answer):
    if not callable(answer):
        return "Is it a function that takes a model? Write `def freeze_bends(model): ...` first."
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(4, name="bends"),
            keras.layers.Dense(3, name="arms"),
            keras.layers.Dense(2, name="answer"),
        ]
    )
    returned = answer(model)
    if not isinstance(returned, keras.Model):
        return "Your function gave back no model: does it end in `return model`?"
    frozen = {layer.name for layer in returned.layers if not layer.trainable_weights}
    if frozen == {"bends"}:
        return None
    if not frozen:
        return "Every layer still learns: which attribute of a layer tells Keras to leave it alone?"
    if not transfer.trained_parameters(returned):
        return "Now the whole model is frozen: can you reach one layer by its name alone?"
    return f"Frozen: {', '.join(sorted(frozen))}. Is that the layer asked for, and only that one?"


question(
    "start.why",
    "Why does the frozen network do so well with ten points?",
    "b",
    a=(
        "It has more weights.",
        "Both have the same architecture. The frozen one even learns fewer numbers.",
    ),
    b=(
        "Its features already separate the arms; the head only names them.",
        "The shape of the world came from the source task, and ten points are enough for names.",
    ),
    c=(
        "It was trained longer on the ten points.",
        "Its head was fitted in milliseconds. Time on the target is not what made it good.",
    ),
)
question(
    "start.frozen",
    "How do you make sure that a layer is frozen?",
    "c",
    a=(
        "Set `trainable = False`; that is enough.",
        "It usually is, until you forget to compile again, or a layer keeps statistics.",
    ),
    b=(
        "Look whether the loss goes down.",
        "It goes down with a frozen backbone, too: the head learns.",
    ),
    c=(
        "Compare its weights before and after training.",
        "What did not move was frozen. `what_moved` does this for a whole model.",
    ),
)
question(
    "start.hurt",
    "When is a pretrained network likely to hurt?",
    "a",
    a=(
        "When its source has little to do with your task.",
        "Left or right was learned without a fault, and those features stayed behind scratch.",
    ),
    b=(
        "When you have very few labels.",
        "That is where a good source helps most: look at the left end of the label curve.",
    ),
    c=(
        "When the source had more classes than the target.",
        "Ours had four, the target two, and it helped. More classes often make richer features.",
    ),
)
