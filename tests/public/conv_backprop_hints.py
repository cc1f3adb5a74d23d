"""Hints for conv_backprop: where to look, what to write down, the shape of the answer."""

HINTS = {
    "conv_out_size": (
        "Look at the first and at the last position of the kernel: which pixels does the kernel cover there?",
        "Write down how many pixels are left to the right of the kernel at its first position. "
        "How many whole steps fit into them, and what if this number is negative?",
        "One more than the floor of (what is left) / stride; Python's // rounds down for negative numbers, too.",
    ),
    "correlate2d": (
        "Look at one output pixel: it sees a window of the image as large as the kernel.",
        "Write down y[a, b] as a sum over the kernel's indices i and j, then think of all windows as one array.",
        "sliding_window_view gives (H − kh + 1, W − kw + 1, kh, kw); sum it times the kernel over the last two axes.",
    ),
    "convolve2d": (
        "Look at what correlation makes of a single bright pixel: which way round is the kernel drawn?",
        "Write down both sums for a kernel of three numbers and compare the order in which they are used.",
        "It is correlate2d with the kernel reversed along both axes; a slice with step −1 reverses an axis.",
    ),
    "conv2d_forward": (
        "Look at one output pixel: it belongs to one example, one filter and one window, and it sees all channels.",
        "Write down the shapes: windows (N, C, Ho, Wo, kh, kw), filters (F, C, kh, kw), result (N, F, Ho, Wo). "
        "Which three axes are summed over?",
        "Pad, take the windows, keep every stride-th, contract C, kh and kw with the filters, move F to the second "
        "place, add b of shape (F, 1, 1).",
    ),
    "conv2d_dw": (
        "Look at one weight w[f, c, i, j]: which output pixels use it, and which pixel does it meet in each?",
        "Write down the derivative of y[n, f, p, q] by w[f, c, i, j]: it is one pixel of the padded image.",
        "The windows of the forward pass once more: contract N, Ho and Wo with dy; the result is (F, C, kh, kw).",
    ),
    "conv2d_db": (
        "Look at how often one bias is used in the forward pass.",
        "Write down the derivative of y[n, f, p, q] by b[f]: it is 1 for every n, p and q.",
        "Sum dy over all axes but that of the filters.",
    ),
    "conv2d_dx": (
        "Look at one output pixel: its gradient times its filter belongs to the pixels of its window.",
        "Write down which outputs a pixel fed: p = (r − i) / stride wherever that is whole. "
        "The kernel index falls while the output index rises: a correlation with the rotated kernel.",
        "Put dy at every stride-th place of zeros of shape (N, F, H + 2 pad − kh + 1, W + 2 pad − kw + 1), pad by "
        "kh − 1 and kw − 1, correlate with the rotated filters with F and C exchanged, crop pad on each side.",
    ),
    "im2col": (
        "Look at one row of the result: it is one window with all its channels, written as a line.",
        "Write down the order of the six axes of the windows, and the order that the rows and columns ask for.",
        "Windows (N, C, Ho, Wo, kh, kw), transposed to (N, Ho, Wo, C, kh, kw), then reshaped to two axes; copy.",
    ),
    "col2im": (
        "Look at one pixel: in how many windows does it lie, and at which offset (i, j) in each?",
        "Write down which pixels the offset (i, j) meets over all windows: a slice that starts at i with step stride. "
        "No pixel occurs twice in it.",
        "Zeros of the padded shape; for each offset add cols at that offset to its slice with +=; crop the padding.",
    ),
    "maxpool2d_forward": (
        "Look at a window at the border of an image whose pixels are all negative.",
        "Write down the windows as (N, C, Ho, Wo, k·k). Which number never wins against a pixel?",
        "Pad with −inf, take the windows, flatten the last two axes; max for the output, argmax for the cache.",
    ),
    "maxpool2d_backward": (
        "Look at one output pixel: it is a copy of exactly one input pixel.",
        "Write down where the winner lies: the offset (i, j) in its window, plus stride times the window's position.",
        "For each offset add dy where the winner has this offset, 0 elsewhere, to the slice of the padded gradient "
        "that starts at (i, j) with step stride; crop the padding.",
    ),
    "conv_transpose2d": (
        "Look at conv2d_dx: which of its steps need the images themselves, and which only their size?",
        "Write down the size H' of the layer's input whose output has H rows, as conv_out_size solved for n.",
        "The steps of conv2d_dx with x in place of dy and (H − 1)·stride − 2 pad + kh + output_padding rows.",
    ),
}
