# Models of scikit-learn that read strings and maps, as skl2onnx writes them, trained here, against onnxruntime and the library.
# RUN: python3 %s %T/classical | FileCheck %s
# CHECK: passed
"""Arguments: where the libraries are kept (those of classical.py), and a word in the names of the models to run (else all run). Exits with 1 when one
differs."""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "Inputs"))
import trained  # noqa: E402, before the libraries

import numpy as np  # noqa: E402
import skl2onnx  # noqa: E402
import tessera.onnxruntime  # noqa: E402
from skl2onnx.common.data_types import DictionaryType, FloatTensorType, Int64TensorType, StringTensorType  # noqa: E402
from sklearn import (compose, ensemble, feature_extraction, impute, linear_model, naive_bayes, pipeline, preprocessing, tree)  # noqa: E402
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer  # noqa: E402

source = np.random.default_rng(0)
SUBJECTS = {"rivers": "river water bank flood stream fish boat lake dam valley rain bridge".split(),
            "kitchens": "pan oven salt bread knife pepper boil fry spoon taste dish_1 oil".split(),
            "machines": "engine gear wheel oil steam pump valve piston spark 42 motor x2".split()}
COMMON = "the a of and is in to it that was on with as for at by this from be are".split()


def text(subject):
    words = [str(source.choice(SUBJECTS[subject] if source.random() < 0.4 else COMMON)) for _ in range(source.integers(4, 40))]
    words = [word.capitalize() if source.random() < 0.2 else word for word in words]
    return "".join(word + str(source.choice([" ", " ", " ", ", ", ". ", "-", "! ", "\n"])) for word in words)


def texts(count):
    labels = source.choice(list(SUBJECTS), count)
    return np.array([text(label) for label in labels], object), labels


TRAIN, LABELS = texts(240)


def logistic():
    return linear_model.LogisticRegression(C=20)


# "C": the only locale that every machine has; these texts are ASCII.
HERE_TOO = {"locale": "C"}
SEPARATORS = [" ", "[.]", "\\?", ",", ";", ":", "\\!", "\n", "-"]
# name: (model, options of the vectorizer)
TEXTS = {
    "words": (pipeline.make_pipeline(TfidfVectorizer(token_pattern="[a-zA-Z0-9_]+"), logistic()), HERE_TOO),
    "words, default pattern": (pipeline.make_pipeline(TfidfVectorizer(), logistic()), {**HERE_TOO, "tokenexp": r"\b\w\w+\b"}),
    "words and pairs": (pipeline.make_pipeline(TfidfVectorizer(ngram_range=(1, 2), token_pattern="[a-zA-Z0-9_]+", min_df=2), logistic()), HERE_TOO),
    "pairs to triples": (pipeline.make_pipeline(CountVectorizer(ngram_range=(2, 3), token_pattern="[a-z]+"), logistic()), HERE_TOO),
    "stop words": (pipeline.make_pipeline(TfidfVectorizer(stop_words=COMMON[:8], token_pattern="[a-zA-Z0-9_]+"),
                            linear_model.SGDClassifier(loss="log_loss", random_state=0)), HERE_TOO),
    "separators": (pipeline.make_pipeline(TfidfVectorizer(token_pattern="[^ .?,;:!\n-]+"), logistic()), {**HERE_TOO, "separators": SEPARATORS}),
    "cases kept": (pipeline.make_pipeline(TfidfVectorizer(lowercase=False, token_pattern="[a-zA-Z0-9_]+", norm="l1"), logistic()), {}),
    "characters": (pipeline.make_pipeline(TfidfVectorizer(analyzer="char"), logistic()), HERE_TOO),
    "one to three characters": (pipeline.make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=500, lowercase=False), logistic()), {}),
    "whether there are words": (pipeline.make_pipeline(CountVectorizer(binary=True, token_pattern="[a-zA-Z0-9_]+"), naive_bayes.BernoulliNB()), HERE_TOO),
    "counts": (pipeline.make_pipeline(CountVectorizer(token_pattern="[a-zA-Z0-9_]+"), naive_bayes.MultinomialNB()), HERE_TOO),
    "counts, weighted": (pipeline.make_pipeline(CountVectorizer(token_pattern="[a-z]+"), TfidfTransformer(use_idf=False), ensemble.RandomForestClassifier(8)), HERE_TOO),
    "empty texts kept": (pipeline.make_pipeline(TfidfVectorizer(token_pattern="[a-zA-Z0-9_]+"), logistic()), {**HERE_TOO, "keep_empty_string": True}),
}


def rows_of(count):
    """Names, numbers and kinds, some of which were not seen."""
    return (source.choice(["red", "green", "blue", "grün", "", "世界"], (count, 2)).astype(object),
            source.integers(-1, 4, (count, 1)), source.normal(size=(count, 2)).astype(np.float32))


def dicts(count):
    return [{key: float(source.integers(0, 5)) / 2 for key in source.choice(["age", "größe", "w", "x y"], 3, replace=False)}
            for _ in range(count)]


def difference(got, wanted):
    """Lists of maps have to have the same keys."""
    if isinstance(wanted, list):
        if [list(row) for row in got] != [list(row) for row in wanted]:
            return np.inf
        got, wanted = (np.array([list(row.values()) for row in rows]) for rows in (got, wanted))
    return trained.difference(got, wanted)


def compare(name, made, feeds, own):
    """`own` gives the library's results, None for an output that is something else there."""
    peer = trained.peer_session(made)
    ours = tessera.onnxruntime.InferenceSession(made)
    for mine, other in zip([*ours.get_inputs(), *ours.get_outputs()], [*peer.get_inputs(), *peer.get_outputs()]):
        assert (mine.name, mine.type) == (other.name, other.type), (mine, other)
    worst = worst_own = 0.0
    for feed in feeds:
        found = ours.run(None, feed)
        for got, wanted in zip(found, peer.run(None, feed), strict=True):
            worst = max(worst, difference(got, wanted))
        for got, wanted in zip(found, own(feed)):
            if wanted is not None:
                worst_own = max(worst_own, difference(got if isinstance(got, list) else np.reshape(got, np.shape(wanted)), wanted))
    return trained.report(name, worst, worst_own)


def check_texts(name, model, options):
    model.fit(TRAIN, LABELS)
    first = model.steps[0][1]
    last = model.steps[-1][1]
    made = skl2onnx.to_onnx(model, initial_types=[("x", StringTensorType([None, 1]))],
                            options={type(first): options, **({type(last): {"zipmap": False}} if "words" in name and hasattr(last, "predict_proba") else {})},
                            target_opset={"": 21, "ai.onnx.ml": 3}).SerializeToString()

    def own(feed):
        given = feed["x"].ravel()
        if not hasattr(last, "predict_proba"):
            return [model.predict(given).astype(object), model.decision_function(given)]
        scores = model.predict_proba(given)
        return [model.predict(given).astype(object), scores if "words" in name else [dict(zip(last.classes_, row)) for row in scores]]

    feeds = [{"x": texts(count)[0][:, None]} for count in (1, 7, 60)]
    if options.get("keep_empty_string"):
        feeds.append({"x": np.array([["river"], [""], ["oven"]], object)})
    return compare(name, made, feeds, own)


def check_categories():
    names, numbers, reals = rows_of(300)
    label = (reals[:, 0] + (names[:, 0] == "red") - 0.5 * (numbers[:, 0] == 2) > 0.3).astype(np.int64)
    columns = compose.ColumnTransformer([
        ("hot", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0]),
        ("order", preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [1]),
        ("number", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), [2]), ("rest", "passthrough", [3, 4])])
    model = pipeline.make_pipeline(columns, tree.DecisionTreeClassifier(max_depth=5))

    def table(feed):
        return np.concatenate([feed["names"].astype(object), feed["numbers"].astype(object), feed["reals"].astype(object)], 1)

    known = {"names": names, "numbers": numbers, "reals": reals}
    model.fit(table(known), label)
    made = skl2onnx.to_onnx(model, initial_types=[("names", StringTensorType([None, 2])), ("numbers", Int64TensorType([None, 1])),
                                                  ("reals", FloatTensorType([None, 2]))],
                            options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3}).SerializeToString()
    feeds = [dict(zip(("names", "numbers", "reals"), rows_of(count))) for count in (1, 40)]
    feeds[1]["names"][3] = "nowhere"
    return compare("names and numbers", made, feeds, lambda feed: [model.predict(table(feed)), model.predict_proba(table(feed))])


def check_maps(kind):
    known = dicts(200)
    label = np.array([row.get("age", 0) + row.get("w", 0) > 2 for row in known]).astype(np.int64)
    model = pipeline.make_pipeline(feature_extraction.DictVectorizer(sparse=False), logistic())
    model.fit(known, label)
    made = skl2onnx.to_onnx(model, initial_types=[("x", DictionaryType(StringTensorType([1]), FloatTensorType([1])))],
                            target_opset={"": 21, "ai.onnx.ml": 3}, options={"zipmap": kind == "maps to maps"}).SerializeToString()
    feeds = [{"x": row} for row in dicts(5)]

    def own(feed):
        scores = model.predict_proba([feed["x"]])
        return [model.predict([feed["x"]]), [dict(zip(model.classes_, row)) for row in scores] if kind == "maps to maps" else scores]
    return compare(kind, made, feeds, own)


def check_labels():
    """Strings that are missing, and labels that are strings."""
    names = rows_of(200)[0]
    names[::7, 0] = "missing"
    labels = np.where(names[:, 1] == "blue", "weiß", "schwarz").astype(object)
    model = pipeline.make_pipeline(impute.SimpleImputer(strategy="most_frequent", missing_values="missing"),
                                   preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), logistic())
    model.fit(names, labels)
    made = skl2onnx.to_onnx(model, initial_types=[("x", StringTensorType([None, 2]))], options={"zipmap": "columns"},
                            target_opset={"": 21, "ai.onnx.ml": 3}).SerializeToString()
    given = rows_of(30)[0]
    given[2, 0] = "missing"
    return compare("missing names", made, [{"x": given}], lambda feed: [model.predict(feed["x"])])


def check_hashes():
    model = feature_extraction.FeatureHasher(n_features=8, input_type="string", alternate_sign=True)
    names = rows_of(20)[0]
    model.fit(names)
    made = skl2onnx.to_onnx(model, initial_types=[("x", StringTensorType([None, 2]))],
                            target_opset={"": 21, "ai.onnx.ml": 3}).SerializeToString()
    return compare("hashes", made, [{"x": rows_of(count)[0]} for count in (1, 9)], lambda feed: [model.transform(feed["x"]).toarray()])


def main():
    rows = {name: lambda name=name, row=row: check_texts(name, *row) for name, row in TEXTS.items()}
    rows |= {"names and numbers": check_categories, "maps": lambda: check_maps("maps"), "maps to maps": lambda: check_maps("maps to maps"),
             "missing names": check_labels, "hashes": check_hashes}
    return trained.run_rows(rows)


if __name__ == "__main__":
    sys.exit(main())
