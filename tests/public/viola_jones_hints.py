"""Three hints for each graded unit: where to look, what to write down, the shape of the answer."""

HINTS = {
    "integral_image": (
        "Part 1 of the handout, and its paragraph on data types.",
        "Write the table of a 2 x 3 image on paper: which pixels are in ii[1, 2], and why is ii[0, 2] zero?",
        "An (H+1, W+1) array of zeros in the right dtype, whose part [1:, 1:] is one cumulative sum of another.",
    ),
    "rect_sum": (
        "Part 2 of the handout: a big rectangle, minus two strips, plus their common corner.",
        "Sketch the rectangle and name the four corners by rows r, r+h and columns c, c+w; check the sign of each.",
        "One condition that refuses bad rectangles with np.any or np.all, then four indexed reads of ii; indexing "
        "with arrays broadcasts by itself.",
    ),
    "window_std": (
        "Part 3 of the handout; rect_sum does all the summing.",
        "Write the variance with the mean of the squares and the square of the mean, in this order, and ask what a flat "
        "window gives after rounding.",
        "Two rect_sums over h * w pixels, a difference clamped at 0, a root; the broadcast shape of the windows.",
    ),
    "haar_feature": (
        "The picture and the table in part 4 of the handout.",
        "For each kind note the number of parts down and across, and their signs; the size of a part is (h, w) divided "
        "by these numbers.",
        "A signed sum of two, three or four rect_sums at r + i * (part height), c + k * (part width).",
    ),
    "enumerate_features": (
        "Part 5 of the handout.",
        "For one axis of length L and parts of number p, list the sizes and, for each size, the first and the last place.",
        "Five nested ranges (kind, h, w, r, c); sizes step by the number of parts, places end at H - h + 1 and W - w + 1; "
        "compare your count with n_p(H) n_q(W).",
    ),
    "best_stump": (
        "Part 6 of the handout, and a brute-force version of your own to compare with.",
        "Sort values, labels and weights by one argsort. What does the error of polarity +1 gain or lose when one more "
        "sample falls below the threshold? Where is a threshold impossible?",
        "n + 1 errors for each polarity from one cumsum, with infinity where two neighbours are equal; the argmin gives "
        "the threshold (-inf, the midpoints, inf) and the polarity.",
    ),
    "adaboost": (
        "The four numbered steps in part 7 of the handout, then the paragraph on stopping.",
        "Print the sum of the weights and the error of the last stump after every update: they must be 1 and 1/2.",
        "A loop over T rounds: normalise, best_stump on every row of F, stop or clamp, w times beta where the stump is "
        "right, append (j, thr, polarity, log(1 / beta)).",
    ),
    "strong_score": (
        "The committee's rule in part 7 of the handout, its left side only.",
        "Write the vote of one stump for all samples as one comparison with the polarity on both sides; for unsigned "
        "values convert first.",
        "(n,) float64: zeros to begin with, plus alpha times a vote of 0 or 1 for each stump.",
    ),
    "cascade_predict": (
        "Part 8 of the handout, and the sentence on stages that nobody reaches.",
        "Keep the indices of the samples that are still in; score only those, and note the stage of those that leave.",
        "Two integer arrays (n,): stage starts as len(stages) everywhere, label is 1 where it stayed so.",
    ),
    "iou": (
        "Part 9 of the handout.",
        "Write the last row and column of both boxes as r + h and c + w; the shared height is the smaller end minus the "
        "larger start, if that is positive.",
        "One number: shared / (area a + area b - shared).",
    ),
    "nms": (
        "Part 9 of the handout, the last paragraph.",
        "Follow four boxes in a row, each overlapping the next, by hand: which of them stay?",
        "A loop over the indices by falling score that compares with the kept ones only; an integer array, best first.",
    ),
}
