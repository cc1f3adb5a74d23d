"""Hints for attention: where to look, what to write down, the shape of the answer."""

HINTS = {
    "softmax": (
        "Look at what exp does to a score of 10000, and at what −inf minus −inf is.",
        "Write down exp(x − c) / Σ exp(x − c): c cancels. Which c makes the largest exponent 0? "
        "And which c is safe for a slice that is −inf throughout?",
        "Subtract the maximum with keepdims=True (0 where the maximum is −inf), exponentiate, "
        "and divide by the sum (1 where the sum is 0).",
    ),
    "sdpa": (
        "Look at one query only: it has one score for each key, and its scores become weights that sum to 1.",
        "Write down the shapes: scores (…, Lq, Lk), so the softmax runs over the last axis. "
        "What must a score be for its weight to be exactly 0?",
        "Swap the last two axes of k, divide by math.sqrt(d), put −inf wherever the mask is False, "
        "call your softmax, multiply by v.",
    ),
    "causal_mask": (
        "Look at the last row: the last query is the newest token and may see every key.",
        "Write down the position of query i in the whole sequence when the queries are its last Lq tokens.",
        "Compare a row of key positions with a column of query positions: j ≤ i + Lk − Lq.",
    ),
    "padding_mask": (
        "Look at one example: which of the positions 0 … L − 1 are real when its length is 3?",
        "Write down the comparison of one position with one length, then think of both as arrays.",
        "Compare np.arange(L) with the lengths as a column; refuse lengths outside 0 … L first.",
    ),
    "sdpa_backward": (
        "Look at the three forward steps in reverse: the weighted sum, the softmax, the scaled product.",
        "Write down ∂aᵢ/∂sⱼ = aᵢ(δᵢⱼ − aⱼ) for one row and contract it with da: "
        "one term stays elementwise, the other is a sum over the row.",
        "da = dout vᵀ, ds = a ∘ (da − row sum of da ∘ a), then dq, dk and dv are one matrix product each; "
        "two of the three carry 1/√d.",
    ),
    "split_heads": (
        "Look at the vector of one position: its first D/h numbers belong to head 0.",
        "Write down the shape after cutting only the last axis, and which two axes must then change places.",
        "Reshape to (N, L, h, D/h), swap axes 1 and 2, and copy, because the result is a view of x.",
    ),
    "merge_heads": (
        "Look at your split_heads: undo its steps in the opposite order.",
        "Write down the shape that must exist just before the last reshape: h and D/h have to be neighbours.",
        "Swap axes 1 and 2 first, then reshape to (N, L, h·Dh), and make sure that the result is a copy.",
    ),
    "MultiHead": (
        "Look at the projections first: they use all of d_model, and only their results are cut into heads.",
        "Write down the shapes from (N, L, d) through (N, h, L, d/h) and (N, h, Lq, Lk) back to (N, Lq, d), "
        "and where a mask of shape (N, Lq, Lk) needs one more axis.",
        "x @ w.T + b three times, split, scores over √(d/h), masked softmax, merge by transpose and reshape, "
        "heads @ out_w.T + out_b; after the softmax put 0 where the mask is False. Store clones in load.",
    ),
    "sinusoidal_positions": (
        "Look at the columns in pairs: (0, 1), (2, 3), … and ask what the two columns of a pair share.",
        "Write down the d/2 frequencies and the table of angles, (L, d/2), position times frequency.",
        "Fill columns 0::2 with the sine and columns 1::2 with the cosine of that one table.",
    ),
    "nadaraya_watson": (
        "Look at the ratio Σ K yᵢ / Σ K with K = exp(…): it is a softmax in disguise.",
        "Write down the table of scores, one row for each query point, and what K becomes far from all data.",
        "Scores −½((xq as a column − x) / bandwidth)², your softmax over the last axis, times y.",
    ),
}
