# Models of scikit-learn, XGBoost and LightGBM as their converters write them, trained here, against onnxruntime and the libraries.
# RUN: python3 %s %T/classical | FileCheck %s
# CHECK: passed
"""Arguments: where the libraries are kept, and a word in the names of the models to run (else all run). Exits with 1 when one
differs."""
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "Inputs"))
import trained  # noqa: E402, before the libraries

import lightgbm  # noqa: E402
import numpy as np  # noqa: E402
import onnxmltools  # noqa: E402
import skl2onnx  # noqa: E402
import tessera  # noqa: E402
import xgboost  # noqa: E402
from onnxmltools.convert.common.data_types import FloatTensorType as PeerFloat  # noqa: E402
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType  # noqa: E402
from sklearn import (cluster, compose, decomposition, discriminant_analysis, ensemble, feature_selection, gaussian_process,  # noqa: E402
                     impute, linear_model, mixture, naive_bayes, neighbors, neural_network, pipeline, preprocessing, svm, tree)

FEATURES = 8
ROWS = (1, 3, 64, 301)
rng = np.random.default_rng(0)
np.random.seed(0)  # for estimators without a seed of their own


def rows_of(count):
    """Features of different scales that depend on each other."""
    hidden = rng.normal(0, 1, (count, 3))
    x = hidden @ np.random.default_rng(1).normal(0, 1, (3, FEATURES)) + rng.normal(0, 0.6, (count, FEATURES))
    return (x * np.linspace(0.5, 2, FEATURES) + 0.3).astype(np.float32)


def score_of(x):
    return x[:, 0] - 0.5 * x[:, 1] * x[:, 2] + np.sin(2 * x[:, 3]) + 0.1 * np.nan_to_num(x[:, 4])


X = rows_of(400)
REAL = score_of(X).astype(np.float32)
BOTH = (REAL > 0).astype(np.int64)
LABELS = np.array([7, -2, 11])  # as they may be: out of order, with holes
MANY = LABELS[np.digitize(REAL, np.quantile(REAL, [0.4, 0.7]))]
TWO_REAL = np.stack([REAL, X[:, 5] ** 2], 1)


def with_holes(x):
    x = x.copy()
    x[np.random.default_rng(len(x)).uniform(size=x.shape) < 0.1] = np.nan
    return x


def positive(x):
    return np.abs(x)


def counts(x):
    return np.floor(np.abs(x) * 2).astype(np.int64)


def as_is(x):
    return x


# name: (estimator, what it learns, what is done to its features)
MODELS = {
    "decision tree": (tree.DecisionTreeClassifier(max_depth=5), MANY, as_is),
    "decision tree, two targets": (tree.DecisionTreeRegressor(max_depth=4), TWO_REAL, as_is),
    "random forest": (ensemble.RandomForestClassifier(20, max_depth=7), MANY, as_is),
    "random forest of two classes": (ensemble.RandomForestClassifier(15), BOTH, as_is),
    "random forest regressor": (ensemble.RandomForestRegressor(20), REAL, as_is),
    "extra trees": (ensemble.ExtraTreesRegressor(20, max_depth=9), REAL, as_is),
    "gradient boosting": (ensemble.GradientBoostingClassifier(n_estimators=20), BOTH, as_is),
    "gradient boosting of three classes": (ensemble.GradientBoostingClassifier(n_estimators=10), MANY, as_is),
    "gradient boosting regressor": (ensemble.GradientBoostingRegressor(n_estimators=30), REAL, as_is),
    "histogram boosting": (ensemble.HistGradientBoostingClassifier(max_iter=15), MANY, as_is),
    "histogram boosting with holes": (ensemble.HistGradientBoostingRegressor(max_iter=20), REAL, with_holes),
    "ada boost": (ensemble.AdaBoostClassifier(n_estimators=8), MANY, as_is),
    "bagging": (ensemble.BaggingRegressor(n_estimators=5), REAL, as_is),
    "isolation forest": (ensemble.IsolationForest(n_estimators=20), None, as_is),
    "voting": (ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())],
                                         voting="soft", flatten_transform=False), MANY, as_is),
    "stacking": (ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))]), REAL, as_is),
    "linear regression": (linear_model.LinearRegression(), REAL, as_is),
    "ridge, two targets": (linear_model.Ridge(), TWO_REAL, as_is),
    "elastic net": (linear_model.ElasticNet(0.05), REAL, as_is),
    "logistic regression": (linear_model.LogisticRegression(), BOTH, as_is),
    "logistic regression of three classes": (linear_model.LogisticRegression(), MANY, as_is),
    "stochastic gradients": (linear_model.SGDClassifier(loss="log_loss", random_state=0), MANY, as_is),
    "perceptron": (linear_model.Perceptron(random_state=0), MANY, as_is),
    "poisson": (linear_model.PoissonRegressor(), positive(REAL), as_is),
    "SVC": (svm.SVC(probability=True, random_state=0), MANY, as_is),
    "SVC of two classes": (svm.SVC(kernel="poly", degree=2, random_state=0), BOTH, as_is),
    "linear SVC": (svm.LinearSVC(), MANY, as_is),
    "NuSVC": (svm.NuSVC(kernel="sigmoid", nu=0.2, gamma=0.02), BOTH, as_is),
    "SVR": (svm.SVR(), REAL, as_is),
    "linear SVR": (svm.LinearSVR(), REAL, as_is),
    "one-class SVM": (svm.OneClassSVM(nu=0.2), None, as_is),
    "k-means": (cluster.KMeans(5, n_init=1, random_state=0), None, as_is),
    "PCA": (decomposition.PCA(4), None, as_is),
    "truncated SVD": (decomposition.TruncatedSVD(3), None, as_is),
    "Gaussian mixture": (mixture.GaussianMixture(3, random_state=0), None, as_is),
    "Gaussian mixture, diagonal": (mixture.GaussianMixture(4, covariance_type="diag", random_state=0), None, as_is),
    "Gaussian process": (gaussian_process.GaussianProcessRegressor(alpha=0.5), REAL[:60], as_is),
    "nearest neighbours": (neighbors.KNeighborsClassifier(5), MANY, as_is),
    "nearest neighbours regressor": (neighbors.KNeighborsRegressor(4), REAL, as_is),
    "nearest centroid of LDA": (discriminant_analysis.LinearDiscriminantAnalysis(), MANY, as_is),
    "QDA": (discriminant_analysis.QuadraticDiscriminantAnalysis(), MANY, as_is),
    "Gaussian naive Bayes": (naive_bayes.GaussianNB(), MANY, as_is),
    "multinomial naive Bayes": (naive_bayes.MultinomialNB(), MANY, counts),
    "Bernoulli naive Bayes": (naive_bayes.BernoulliNB(), MANY, as_is),
    "perceptrons in layers": (neural_network.MLPClassifier(hidden_layer_sizes=(16, 8), max_iter=60, random_state=0), MANY, as_is),
    "perceptrons in layers, regressor": (neural_network.MLPRegressor(hidden_layer_sizes=(12,), max_iter=60, activation="tanh", random_state=0), REAL, as_is),
    "scalers": (pipeline.make_pipeline(preprocessing.StandardScaler(), preprocessing.MinMaxScaler(), preprocessing.RobustScaler(),
                                       preprocessing.MaxAbsScaler(), preprocessing.Normalizer()), None, as_is),
    "polynomials": (pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), preprocessing.StandardScaler(),
                                           linear_model.LogisticRegression()), BOTH, as_is),
    "imputer": (pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler(),
                                       linear_model.LogisticRegression()), MANY, with_holes),
    "bins": (pipeline.make_pipeline(preprocessing.KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
                                    linear_model.LogisticRegression()), BOTH, as_is),
    "encoders": (pipeline.make_pipeline(
        compose.ColumnTransformer([("hot", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0, 3]),
                                   ("order", preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [1]),
                                   ("rest", "passthrough", [2, 4, 5])]),
        linear_model.LogisticRegression()), MANY, counts),
    "selection": (pipeline.make_pipeline(feature_selection.SelectKBest(k=4), preprocessing.Binarizer(threshold=0.2),
                                         tree.DecisionTreeClassifier(max_depth=4)), BOTH, as_is),
    "power transform": (preprocessing.PowerTransformer(), None, as_is),
    "LightGBM": (lightgbm.LGBMClassifier(n_estimators=25, verbose=-1), BOTH, with_holes),
    "LightGBM of three classes": (lightgbm.LGBMClassifier(n_estimators=10, verbose=-1), MANY, as_is),
    "LightGBM regressor": (lightgbm.LGBMRegressor(n_estimators=40, verbose=-1), REAL, with_holes),
    "XGBoost": (xgboost.XGBClassifier(n_estimators=20, max_depth=5), BOTH, with_holes),
    "XGBoost of three classes": (xgboost.XGBClassifier(n_estimators=10, max_depth=4), np.searchsorted(np.sort(LABELS), MANY), as_is),
    "XGBoost regressor": (xgboost.XGBRegressor(n_estimators=40, max_depth=6), REAL, with_holes),
    "XGBoost forest": (xgboost.XGBRFRegressor(n_estimators=20), REAL, as_is),
}


def convert(estimator, x):
    if isinstance(estimator, lightgbm.LGBMModel):
        return onnxmltools.convert_lightgbm(estimator, initial_types=[("x", PeerFloat([None, FEATURES]))], zipmap=False)
    if isinstance(estimator, xgboost.XGBModel):
        return onnxmltools.convert_xgboost(estimator, initial_types=[("x", PeerFloat([None, FEATURES]))])
    kind = Int64TensorType if x.dtype == np.int64 else FloatTensorType
    last = estimator.steps[-1][1] if isinstance(estimator, pipeline.Pipeline) else estimator
    # With ZipMap as well, which is what the converter writes unless it is told not to.
    without = hasattr(last, "predict_proba") and len(getattr(last, "classes_", [])) > 2
    return skl2onnx.to_onnx(estimator, initial_types=[("x", kind([None, FEATURES]))], options={"zipmap": False} if without else None,
                            target_opset={"": 21, "ai.onnx.ml": 3})


def own_predictions(estimator, x):
    """What the library says itself, in the order of the model's outputs; None where an output is something else there."""
    last = estimator.steps[-1][1] if isinstance(estimator, pipeline.Pipeline) else estimator
    if hasattr(last, "predict_proba"):
        return [estimator.predict(x), estimator.predict_proba(x)]
    if isinstance(last, cluster.KMeans):
        return [estimator.predict(x), estimator.transform(x)]
    if hasattr(last, "predict") and not isinstance(last, ensemble.IsolationForest):
        return [estimator.predict(x)]
    return [estimator.predict(x), estimator.decision_function(x)] if hasattr(last, "predict") else [estimator.transform(x)]


def array_of(value):
    """Of onnxruntime's list of maps the tensor of scores."""
    if isinstance(value, list):
        return np.array([[row[key] for key in sorted(row)] for row in value], np.float32)
    return value


def check(name, estimator, learned, prepare):
    x = prepare(X)[:len(X) if learned is None else len(learned)]
    estimator.fit(x, learned) if learned is not None else estimator.fit(x)
    model = convert(estimator, x).SerializeToString()
    session = trained.peer_session(model)
    names = [output.name for output in session.get_outputs()]
    module = tessera.compile(model)
    worst, worst_own = 0.0, 0.0
    for count in ROWS:
        x = prepare(rows_of(count))
        actual = module.run({session.get_inputs()[0].name: x})
        results = [np.asarray(actual[output]) for output in names]
        for got, wanted in zip(results, map(array_of, session.run(names, {session.get_inputs()[0].name: x}))):
            worst = max(worst, trained.difference(got, wanted) if got.dtype == wanted.dtype else np.inf)
        for got, wanted in zip(results, own_predictions(estimator, x)):
            worst_own = max(worst_own, trained.difference(got.reshape(np.shape(wanted)), np.asarray(wanted)))
    return trained.report(name, worst, worst_own)


def main():
    return trained.run_rows({name: lambda name=name, row=row: check(name, *row) for name, row in MODELS.items()})


if __name__ == "__main__":
    sys.exit(main())
