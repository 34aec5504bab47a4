"""Promises of the metrics, against values worked out by hand."""

import numpy as np
import pytest

from dgm_tf.measures import formulas

NAN = np.nan
MATRIX = [[0.9, NAN, NAN], [0.6, 0.8, NAN], [0.7, 0.5, 1.0]]


class TestConfusion:
    def test_rows_are_true_and_columns_predicted(self):
        confusion = formulas.confusion_matrix([0, 0, 1, 2], [0, 2, 1, 1], 3)
        assert confusion.dtype == np.int64
        assert confusion.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 0]]

    def test_no_images_gives_zeros(self):
        assert formulas.confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]

    def test_a_single_class_is_counted_too(self):
        assert formulas.confusion_matrix([0, 0], [0, 0], 1).tolist() == [[2]]

    def test_small_integer_labels_do_not_overflow(self):
        confusion = formulas.confusion_matrix(np.array([49], np.uint8), np.array([48], np.uint8), 50)
        assert confusion[49, 48] == 1

    @pytest.mark.parametrize(
        ("labels", "predictions", "classes", "message"),
        [
            ([0, 3], [0, 1], 3, "labels must lie in 0..2"),
            ([0, 1], [0, -1], 3, "predictions must lie in 0..2"),
            ([0.0, 1.0], [0, 1], 3, "labels must be integers"),
            ([[0, 1]], [0, 1], 3, "labels must be integers of shape"),
            ([0, 1], [0], 3, "differ in length"),
            ([0], [0], 0, "num_classes"),
        ],
    )
    def test_wrong_input_is_named(self, labels, predictions, classes, message):
        with pytest.raises(ValueError, match=message):
            formulas.confusion_matrix(labels, predictions, classes)


class TestMeans:
    CONFUSION = [[8, 2], [30, 10]]

    def test_per_class(self):
        np.testing.assert_allclose(formulas.per_class_accuracy(self.CONFUSION), [0.8, 0.25])

    def test_a_single_image_of_a_class_counts(self):
        np.testing.assert_array_equal(formulas.per_class_accuracy([[1, 0], [1, 0]]), [1.0, 0.0])
        assert formulas.micro_accuracy([[1, 0], [0, 0]]) == 1.0

    def test_macro_weighs_classes_and_micro_weighs_images(self):
        assert formulas.macro_accuracy(self.CONFUSION) == pytest.approx(0.525)
        assert formulas.micro_accuracy(self.CONFUSION) == pytest.approx(18 / 50)

    def test_a_class_without_images_is_nan_and_left_out_of_the_mean(self):
        confusion = [[1, 1], [0, 0]]
        np.testing.assert_array_equal(formulas.per_class_accuracy(confusion), [0.5, NAN])
        assert formulas.macro_accuracy(confusion) == 0.5

    @pytest.mark.parametrize("mean", [formulas.macro_accuracy, formulas.micro_accuracy])
    def test_no_images_at_all_is_an_error(self, mean):
        with pytest.raises(ValueError):
            mean(np.zeros([2, 2], int))

    @pytest.mark.parametrize("confusion", [[1, 2], [[1, 2]], np.zeros([0, 0]), [[-1, 0], [0, 1]]])
    def test_wrong_confusion_is_refused(self, confusion):
        with pytest.raises(ValueError, match="confusion must"):
            formulas.per_class_accuracy(confusion)


class TestTopK:
    LOGITS = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    LABELS = np.array([0, 2, 1])

    def test_hand_computed(self):
        assert formulas.macro_top_k_accuracy(self.LOGITS, self.LABELS, 1) == pytest.approx(1 / 3)
        assert formulas.macro_top_k_accuracy(self.LOGITS, self.LABELS, 2) == pytest.approx(2 / 3)
        assert formulas.macro_top_k_accuracy(self.LOGITS, self.LABELS, 3) == 1.0

    def test_macro_weighs_classes(self):
        logits = np.array([[2.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
        assert formulas.macro_top_k_accuracy(logits, [0, 0, 0, 1], 1) == 0.5

    def test_macro_leaves_out_a_class_without_images(self):
        logits = np.array([[2.0, 1.0, 0.0], [2.0, 1.0, 3.0], [2.0, 1.0, 0.0]])
        assert formulas.macro_top_k_accuracy(logits, [0, 2, 2], 1) == 0.75

    def test_macro_equals_macro_accuracy_of_the_confusion(self):
        rng = np.random.default_rng(1)
        logits, labels = rng.normal(size=[99, 5]), rng.choice([0, 1, 3], 99)
        confusion = formulas.confusion_matrix(labels, logits.argmax(1), 5)
        expected = formulas.macro_accuracy(confusion)
        assert formulas.macro_top_k_accuracy(logits, labels, 1) == pytest.approx(expected)

    @pytest.mark.parametrize("value", [0.0, NAN])
    def test_constant_or_diverged_logits_score_zero(self, value):
        assert formulas.macro_top_k_accuracy(np.full([4, 6], value), [0, 1, 2, 3], 5) == 0.0

    @pytest.mark.parametrize(
        ("logits", "labels", "k", "message"),
        [
            (np.zeros([2, 3]), [0, 1], 4, "k must lie in 1..3"),
            (np.zeros([2, 3]), [0, 1], 0, "k must lie in 1..3"),
            (np.zeros([2, 3]), [0], 1, "differ in length"),
            (np.zeros([2, 3]), [0, 3], 1, "labels must lie"),
            (np.zeros([2]), [0, 0], 1, "logits must have shape"),
            (np.zeros([0, 3]), [], 1, "logits must have shape"),
        ],
    )
    def test_wrong_input_is_named(self, logits, labels, k, message):
        with pytest.raises(ValueError, match=message):
            formulas.macro_top_k_accuracy(logits, labels, k)


class TestAccuracyMatrix:
    def test_average_accuracy_of_one_class_tasks_is_the_row_mean(self):
        np.testing.assert_allclose(formulas.average_accuracy(MATRIX, [1, 1, 1]), [0.9, 0.7, 2.2 / 3])

    def test_average_accuracy_weighs_tasks_by_their_classes(self):
        expected = [0.9, (2 * 0.6 + 0.8) / 3, (2 * 0.7 + 0.5 + 3 * 1.0) / 6]
        np.testing.assert_allclose(formulas.average_accuracy(MATRIX, [2, 1, 3]), expected)

    def test_average_accuracy_equals_macro_accuracy_of_all_classes(self):
        per_class = np.array([0.1, 0.5, 0.9, 0.4])
        matrix = [[0.0, NAN], [per_class[:3].mean(), per_class[3]]]
        assert formulas.average_accuracy(matrix, [3, 1])[-1] == pytest.approx(per_class.mean())

    def test_forgetting_is_the_drop_from_the_best_earlier_row(self):
        np.testing.assert_allclose(formulas.forgetting_per_task(MATRIX), [0.2, 0.3])
        assert formulas.forgetting(MATRIX) == pytest.approx(0.25)

    def test_forgetting_can_be_negative(self):
        assert formulas.forgetting([[0.5, NAN], [0.75, 1.0]]) == -0.25

    def test_backward_transfer_compares_with_the_diagonal(self):
        assert formulas.backward_transfer(MATRIX) == pytest.approx((-0.2 - 0.3) / 2)
        rise_and_fall = [[0.5, NAN, NAN], [0.9, 1.0, NAN], [0.6, 1.0, 1.0]]
        assert formulas.backward_transfer(rise_and_fall) == pytest.approx(0.05)
        assert formulas.forgetting(rise_and_fall) == pytest.approx(0.15)

    def test_one_task_forgets_nothing(self):
        assert formulas.forgetting([[0.4]]) == 0.0
        assert formulas.backward_transfer([[0.4]]) == 0.0
        assert formulas.forgetting_per_task([[0.4]]).shape == (0,)
        assert formulas.average_accuracy([[0.4]], [10]).tolist() == [0.4]

    @pytest.mark.parametrize("metric", [formulas.forgetting, formulas.backward_transfer])
    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            ([0.5, 0.5], "shape"),
            ([[0.5, NAN]], "shape"),
            (np.zeros([0, 0]), "shape"),
            ([[98.0, NAN], [97.0, 96.0]], "fractions"),
            ([[1.0, NAN], [1.1, 1.0]], "fractions"),
            ([[1.0, NAN], [-0.1, 1.0]], "fractions"),
            ([[0.5, NAN], [NAN, 0.5]], "fractions"),
            ([[0.5, 0.0], [0.5, 0.5]], "NaN where column > row"),
        ],
    )
    def test_wrong_matrix_is_refused(self, metric, matrix, message):
        with pytest.raises(ValueError, match=message):
            metric(matrix)

    def test_a_wrong_number_of_task_sizes_is_refused(self):
        with pytest.raises(ValueError, match="classes_per_task must hold 3 sizes, got 2"):
            formulas.average_accuracy(MATRIX, [1, 1])

    @pytest.mark.parametrize("sizes", [[1, 1, 0], [1.0, 1.0, 1.0], [], np.zeros(0, int), [[1, 1, 1]]])
    def test_wrong_task_sizes_are_refused(self, sizes):
        with pytest.raises(ValueError, match="classes_per_task must be integers >= 1, one per task"):
            formulas.average_accuracy(MATRIX, sizes)
