"""Wrong implementations of attention, each with the sentence that the student should read."""

import math

import numpy as np
import torch

from grader.checks import misconception

# ---------------------------------------------------------------------------------------------------- softmax


@misconception(
    "at13",
    "The exponential overflows: subtract the maximum first, the weights stay the same.",
    caught_by="test_softmax_of_large_scores",
    replaces="softmax",
)
def softmax_without_a_shift(reference):
    def softmax(x, axis=-1):
        e = np.exp(x)
        total = e.sum(axis=axis, keepdims=True)
        return e / np.where(total == 0, 1, total)

    return softmax


@misconception(
    "at14",
    "Every slice needs its own maximum: one maximum for the whole array lets the other slices underflow.",
    caught_by="test_softmax_never_overflows",
    replaces="softmax",
)
def softmax_with_one_shift(reference):
    def softmax(x, axis=-1):
        top = x.max()
        e = np.exp(x - (0 if np.isneginf(top) else top))
        total = e.sum(axis=axis, keepdims=True)
        return e / np.where(total == 0, 1, total)

    return softmax


@misconception(
    "at14",
    "Subtract the maximum before the logarithm of the sum: added to a huge maximum first, that logarithm is rounded away.",
    caught_by="test_softmax_never_overflows",
    replaces="softmax",
)
def softmax_by_a_rounded_logarithm(reference):
    def softmax(x, axis=-1):
        top = x.max(axis=axis, keepdims=True)
        top = np.where(np.isneginf(top), 0, top)
        total = np.exp(x - top).sum(axis=axis, keepdims=True)
        log_sum = top + np.log(np.where(total == 0, 1, total))
        return np.exp(x - log_sum)

    return softmax


@misconception(
    "at14",
    "Normalise along one axis: the weights of each slice sum to 1, not those of the whole array.",
    caught_by="test_softmax_of_rows",
    replaces="softmax",
)
def softmax_over_everything(reference):
    right = reference.softmax
    return lambda x, axis=-1: right(x.reshape(-1)).reshape(x.shape)


@misconception(
    "at14",
    "The axis is an argument: the last one is only its default.",
    caught_by="test_softmax_along_any_axis",
    replaces="softmax",
)
def softmax_over_the_last_axis(reference):
    right = reference.softmax
    return lambda x, axis=-1: right(x)


@misconception(
    "at15",
    "−inf minus −inf is nan: a slice without any finite score needs a guard and returns zeros.",
    caught_by="test_softmax_of_minus_infinity",
    replaces="softmax",
)
def softmax_without_a_guard(reference):
    def softmax(x, axis=-1):
        with np.errstate(invalid="ignore"):
            e = np.exp(x - x.max(axis=axis, keepdims=True))
            return e / e.sum(axis=axis, keepdims=True)

    return softmax


@misconception(
    "at15",
    "A slice that is −inf throughout has no weight to spread: its weights are zeros, not equal shares.",
    caught_by="test_softmax_of_minus_infinity",
    replaces="softmax",
)
def softmax_that_spreads_evenly(reference):
    right = reference.softmax

    def softmax(x, axis=-1):
        empty = np.isneginf(x).all(axis=axis, keepdims=True)
        return right(np.where(empty, 0, x), axis)

    return softmax


@misconception(
    "at15",
    "A small number added to the sum makes every weight a little too small: only a sum of 0 needs help.",
    caught_by="test_softmax_of_rows",
    replaces="softmax",
)
def softmax_with_an_epsilon(reference):
    def softmax(x, axis=-1):
        top = x.max(axis=axis, keepdims=True)
        e = np.exp(x - np.where(np.isneginf(top), 0, top))
        return e / (e.sum(axis=axis, keepdims=True) + 1e-8)

    return softmax


# ------------------------------------------------------------------------------------------------------- sdpa


def attention(reference, scale=lambda q, k, v: math.sqrt(q.shape[-1]), axis=-1, hide=None):
    """The reference, with another scale, another axis or another way to hide keys."""
    right = reference.sdpa

    def sdpa(q, k, v, mask=None):
        right(q, k, v, mask)  # for the errors
        scores = q @ k.swapaxes(-1, -2) / scale(q, k, v)
        if mask is None:
            weights = reference.softmax(scores, axis)
        elif hide is None:
            weights = reference.softmax(np.where(mask, scores, -np.inf), axis)
        else:
            weights = hide(scores, np.broadcast_to(mask, scores.shape))
        return weights @ v, weights

    return sdpa


SCALE = "Scores have variance d: divide by the root of one head's key width"


@misconception("at1", SCALE + ".", caught_by="test_attention_without_a_mask", replaces="sdpa")
def sdpa_unscaled(reference):
    return attention(reference, scale=lambda q, k, v: 1)


@misconception("at1", SCALE + ", not by the width itself.", caught_by="test_attention_without_a_mask", replaces="sdpa")
def sdpa_over_the_width(reference):
    return attention(reference, scale=lambda q, k, v: q.shape[-1])


@misconception("at1", SCALE + ", not of the values.", caught_by="test_attention_without_a_mask", replaces="sdpa")
def sdpa_over_the_root_of_the_value_width(reference):
    return attention(reference, scale=lambda q, k, v: math.sqrt(v.shape[-1]))


@misconception(
    "at1", SCALE + ", not of the number of keys.", caught_by="test_attention_without_a_mask", replaces="sdpa"
)
def sdpa_over_the_root_of_the_length(reference):
    return attention(reference, scale=lambda q, k, v: math.sqrt(k.shape[-2]))


@misconception(
    "at16",
    "The root of d was rounded to single precision: take math.sqrt(d), a plain Python number.",
    caught_by="test_attention_without_a_mask",
    replaces="sdpa",
)
def sdpa_with_a_single_precision_root(reference):
    return attention(reference, scale=lambda q, k, v: np.float64(np.sqrt(np.float32(q.shape[-1]))))


@misconception(
    "at16",
    "np.sqrt of an integer is a float64 scalar and promotes single precision: take math.sqrt(d).",
    caught_by="test_attention_keeps_single_precision",
    replaces="sdpa",
)
def sdpa_that_promotes(reference):
    return attention(reference, scale=lambda q, k, v: np.sqrt(q.shape[-1]))


@misconception(
    "at2",
    "Each query spreads weight over keys: normalise over the last axis.",
    caught_by="test_attention_without_a_mask",
    replaces="sdpa",
)
def sdpa_normalised_over_queries(reference):
    return attention(reference, axis=-2)


@misconception(
    "at3",
    "Mask the scores, not the weights: rows must still sum to 1.",
    caught_by="test_attention_with_a_mask",
    replaces="sdpa",
)
def sdpa_that_masks_the_weights(reference):
    return attention(reference, hide=lambda scores, mask: reference.softmax(scores) * mask)


@misconception("at4", "A score of 0 still has weight e⁰.", caught_by="test_attention_with_a_mask", replaces="sdpa")
def sdpa_that_zeroes_scores(reference):
    return attention(reference, hide=lambda scores, mask: reference.softmax(scores * mask))


@misconception(
    "at5",
    "A large negative number is not a mask: a row with no allowed key leaks.",
    caught_by="test_query_without_keys_returns_zeros",
    twins=("at5",),
    replaces="sdpa",
)
def sdpa_with_a_large_negative_fill(reference):
    return attention(reference, hide=lambda scores, mask: reference.softmax(np.where(mask, scores, -1e9)))


@misconception(
    "at5",
    "A large negative number is not a mask: even −1e6 is a score like any other where nothing else is allowed.",
    caught_by="test_query_without_keys_returns_zeros",
    twins=("at5",),
    replaces="sdpa",
)
def sdpa_with_a_smaller_negative_fill(reference):
    return attention(reference, hide=lambda scores, mask: reference.softmax(np.where(mask, scores, -1e6)))


@misconception(
    "at5",
    "Replace the score of a masked key instead of adding to it: a large enough score outweighs any penalty.",
    caught_by="test_masked_slots_have_no_effect",
    replaces="sdpa",
)
def sdpa_with_a_penalty(reference):
    def hide(scores, mask):
        return reference.softmax(scores - 1e9 * ~mask) * mask.any(axis=-1, keepdims=True)

    return attention(reference, hide=hide)


@misconception(
    "at6",
    "0/0: this row has nobody to attend to; return zeros.",
    caught_by="test_query_without_keys_returns_zeros",
    replaces="sdpa",
)
def sdpa_without_a_guard(reference):
    def hide(scores, mask):
        with np.errstate(invalid="ignore"):
            scores = np.where(mask, scores, -np.inf)
            e = np.exp(scores - scores.max(axis=-1, keepdims=True))
            return e / e.sum(axis=-1, keepdims=True)

    return attention(reference, hide=hide)


@misconception("at7", "True means allowed here.", caught_by="test_attention_with_a_mask", replaces="sdpa")
def sdpa_with_the_mask_inverted(reference):
    return attention(reference, hide=lambda scores, mask: reference.softmax(np.where(mask, -np.inf, scores)))


@misconception(
    "at25",
    "np.where broadcasts both ways: a mask with more axes than the scores must be refused, not enlarge the result.",
    caught_by="test_attention_refuses_what_does_not_fit",
    replaces="sdpa",
)
def sdpa_enlarged_by_its_mask(reference):
    def sdpa(q, k, v, mask=None):
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = np.where(mask, scores, -np.inf)
        weights = reference.softmax(scores)
        return weights @ v, weights

    return sdpa


# ------------------------------------------------------------------------------------------------------ masks


@misconception(
    "at11",
    "The last query may see everything: align the mask at the end.",
    caught_by="test_causal_mask_is_aligned_at_the_end",
    replaces="causal_mask",
)
def causal_mask_aligned_at_the_start(reference):
    right = reference.causal_mask

    def causal_mask(Lq, Lk):
        right(Lq, Lk)
        return np.tri(Lq, Lk, dtype=bool)

    return causal_mask


@misconception(
    "at11",
    "A token may see itself.",
    caught_by="test_causal_mask_of_a_square",
    replaces="causal_mask",
)
def causal_mask_that_is_strict(reference):
    right = reference.causal_mask

    def causal_mask(Lq, Lk):
        right(Lq, Lk)
        return np.tri(Lq, Lk, Lk - Lq - 1, dtype=bool)

    return causal_mask


@misconception(
    "at11",
    "True means allowed here: this mask shows the future and hides the past.",
    caught_by="test_causal_mask_of_a_square",
    replaces="causal_mask",
)
def causal_mask_inverted(reference):
    right = reference.causal_mask
    return lambda Lq, Lk: ~right(Lq, Lk)


@misconception(
    "at11",
    "A mask is boolean: zeros and ones of another type are numbers, and ~ and where treat them otherwise.",
    caught_by="test_causal_mask_of_a_square",
    replaces="causal_mask",
)
def causal_mask_of_numbers(reference):
    right = reference.causal_mask
    return lambda Lq, Lk: right(Lq, Lk).astype(float)


@misconception(
    "at21",
    "True means allowed here, so the real positions are True and the padding is False.",
    caught_by="test_padding_mask_allows_the_first_positions",
    replaces="padding_mask",
)
def padding_mask_inverted(reference):
    right = reference.padding_mask
    return lambda lengths, L: ~right(lengths, L)


@misconception(
    "at21",
    "Positions count from 0: a sequence of length n fills 0 to n − 1, so position n is padding.",
    caught_by="test_padding_mask_allows_the_first_positions",
    replaces="padding_mask",
)
def padding_mask_one_too_long(reference):
    right = reference.padding_mask

    def padding_mask(lengths, L):
        right(lengths, L)
        return np.arange(L) <= np.asarray(lengths)[:, None]

    return padding_mask


# ---------------------------------------------------------------------------------------------- sdpa_backward


def gradients(reference, of_scores=None, scale_q=None, scale_k=None):
    """The reference, with another gradient of the scores or another scale."""
    right = reference.sdpa_backward

    def sdpa_backward(dout, q, k, v, weights):
        right(dout, q, k, v, weights)  # for the errors
        root = 1 / math.sqrt(q.shape[-1])
        da = dout @ v.swapaxes(-1, -2)
        ds = (of_scores or coupled)(weights, da)
        dq = ds @ k * (root if scale_q is None else scale_q)
        dk = ds.swapaxes(-1, -2) @ q * (root if scale_k is None else scale_k)
        return dq, dk, weights.swapaxes(-1, -2) @ dout

    return sdpa_backward


def coupled(weights, da):
    return weights * (da - (weights * da).sum(axis=-1, keepdims=True))


AUTOGRAD = "test_gradients_agree_with_autograd"


@misconception("at8", "Softmax couples the whole row; subtract Σ da∘a.", caught_by=AUTOGRAD, replaces="sdpa_backward")
def backward_of_a_sigmoid(reference):
    return gradients(reference, of_scores=lambda a, da: a * (1 - a) * da)


@misconception(
    "at8",
    "Softmax couples the whole row: besides a∘da there is the term −a Σ da∘a.",
    caught_by=AUTOGRAD,
    replaces="sdpa_backward",
)
def backward_without_the_coupling(reference):
    return gradients(reference, of_scores=lambda a, da: a * da)


@misconception(
    "at8",
    "Subtract the average of da under the weights, Σ da∘a, not its plain sum or mean.",
    caught_by=AUTOGRAD,
    replaces="sdpa_backward",
)
def backward_with_a_plain_mean(reference):
    return gradients(reference, of_scores=lambda a, da: a * (da - da.mean(axis=-1, keepdims=True)))


@misconception(
    "at8",
    "Each query has a softmax of its own: sum da∘a over its keys, not over the queries.",
    caught_by=AUTOGRAD,
    replaces="sdpa_backward",
)
def backward_summed_over_queries(reference):
    return gradients(reference, of_scores=lambda a, da: a * (da - (a * da).sum(axis=-2, keepdims=True)))


@misconception(
    "at17",
    "The scores were divided by √d, so the gradients of queries and keys are too.",
    caught_by=AUTOGRAD,
    replaces="sdpa_backward",
)
def backward_unscaled(reference):
    return gradients(reference, scale_q=1, scale_k=1)


@misconception(
    "at17",
    "The factor 1/√d belongs to the scores, so the keys' gradient has it as well as the queries'.",
    caught_by=AUTOGRAD,
    replaces="sdpa_backward",
)
def backward_with_unscaled_keys(reference):
    return gradients(reference, scale_k=1)


@misconception(
    "at17",
    "np.sqrt of an integer is a float64 scalar and promotes single precision: take math.sqrt(d).",
    caught_by="test_gradients_keep_single_precision",
    replaces="sdpa_backward",
)
def backward_that_promotes(reference):
    right = reference.sdpa_backward

    def sdpa_backward(dout, q, k, v, weights):
        dq, dk, dv = right(dout, q, k, v, weights)
        return dq * np.float64(1), dk * np.float64(1), dv

    return sdpa_backward


@misconception(
    "at18",
    "The weights belong to the caller: an in-place product overwrites them.",
    caught_by="test_gradients_leave_their_inputs_alone",
    replaces="sdpa_backward",
)
def backward_in_place(reference):
    right = reference.sdpa_backward

    def sdpa_backward(dout, q, k, v, weights):
        result = right(dout, q, k, v, weights)
        weights *= dout @ v.swapaxes(-1, -2)
        return result

    return sdpa_backward


# ------------------------------------------------------------------------------------------------------ heads


@misconception(
    "at9",
    "Heads and positions got interleaved.",
    caught_by="test_merging_undoes_splitting",
    replaces="merge_heads",
)
def merge_without_swapping(reference):
    right = reference.merge_heads

    def merge_heads(x):
        right(x)
        N, h, L, Dh = x.shape
        return x.copy().reshape(N, L, h * Dh)

    return merge_heads


@misconception(
    "at9",
    "Heads and positions got interleaved: cut the last axis first, then let heads and positions change places.",
    caught_by="test_heads_are_slices_of_the_last_axis",
    replaces="split_heads",
)
def split_without_swapping(reference):
    right = reference.split_heads

    def split_heads(x, h):
        right(x, h)
        N, L, D = x.shape
        return x.copy().reshape(N, h, L, D // h)

    return split_heads


@misconception(
    "at9",
    "A head is a contiguous slice of the last axis, not every h-th number.",
    caught_by="test_heads_are_slices_of_the_last_axis",
    replaces="split_heads",
)
def split_into_strides(reference):
    right = reference.split_heads

    def split_heads(x, h):
        right(x, h)
        N, L, D = x.shape
        return x.reshape(N, L, D // h, h).transpose(0, 3, 1, 2).copy()

    return split_heads


@misconception(
    "at20",
    "reshape and transpose return views: without a copy, writing to the heads writes to the input.",
    caught_by="test_split_heads_are_a_copy",
    replaces="split_heads",
)
def split_into_views(reference):
    right = reference.split_heads

    def split_heads(x, h):
        right(x, h)
        return x.reshape(*x.shape[:2], h, -1).swapaxes(1, 2)

    return split_heads


@misconception(
    "at20",
    "reshape copies only when it must: with one head or one position the merged array still is the input's memory.",
    caught_by="test_merged_heads_are_a_copy",
    replaces="merge_heads",
)
def merge_into_a_view(reference):
    right = reference.merge_heads

    def merge_heads(x):
        right(x)
        N, h, L, Dh = x.shape
        return x.swapaxes(1, 2).reshape(N, L, h * Dh)

    return merge_heads


@misconception(
    "at29",
    "An array with another number of axes is not refused: counted from the end, the axes of any array are swapped.",
    caught_by="test_merging_needs_four_axes",
    replaces="merge_heads",
)
def merge_any_number_of_axes(reference):
    return lambda x: x.swapaxes(-3, -2).copy().reshape(*x.shape[:-3], x.shape[-2], -1)


# -------------------------------------------------------------------------------------------------- MultiHead


def layer(reference, **methods):
    """A correct layer of small methods, with some of them replaced."""

    class Layer(reference.MultiHead):
        def load(self, *given):
            super().load(*given)
            self.kept = self.keep(given)

        def keep(self, given):
            return [t.clone() for t in given]

        def forward(self, xq, xkv, mask=None):
            super().forward(xq, xkv, mask)  # for the errors
            d = self.d_model
            in_w, in_b, out_w, out_b = self.kept
            parts = self.order(d)
            q, k, v = (
                self.split(self.project(x, in_w[rows], in_b[rows]))
                for x, rows in zip(self.sources(xq, xkv), parts, strict=True)
            )
            scores = q @ k.transpose(-1, -2) / self.root()
            weights = torch.softmax(scores, -1) if mask is None else self.masked(scores, self.widen(mask))
            return self.output(self.merge(weights @ v), out_w, out_b)

        def order(self, d):
            return slice(0, d), slice(d, 2 * d), slice(2 * d, 3 * d)

        def sources(self, xq, xkv):
            return xq, xkv, xkv

        def project(self, x, w, b):
            return x @ w.T + b

        def split(self, x):
            return x.reshape(*x.shape[:2], self.h, -1).transpose(1, 2)

        def root(self):
            return math.sqrt(self.d_model // self.h)

        def widen(self, mask):
            return mask.unsqueeze(1) if mask.dim() == 3 else mask

        def masked(self, scores, mask):
            weights = torch.softmax(scores.masked_fill(~mask, -math.inf), -1)
            return weights.masked_fill(~mask, 0.0)

        def merge(self, heads):
            return heads.transpose(1, 2).flatten(2)

        def output(self, heads, w, b):
            return heads @ w.T + b

    for name, method in methods.items():
        setattr(Layer, name, method)
    return Layer


SELF = "test_two_heads_of_self_attention"
SHARED = "test_masks_shared_by_the_heads"


@misconception("at1", SCALE + ", d_model / h, not of the model.", caught_by=SELF, replaces="MultiHead")
def heads_scaled_by_the_model(reference):
    return layer(reference, root=lambda self: math.sqrt(self.d_model))


@misconception("at1", SCALE + "; no head was scaled.", caught_by=SELF, replaces="MultiHead")
def heads_unscaled(reference):
    return layer(reference, root=lambda self: 1)


@misconception(
    "at16",
    "torch.sqrt(torch.tensor(d)) is a single-precision number: take math.sqrt.",
    caught_by="test_cross_attention",
    replaces="MultiHead",
)
def heads_with_a_single_precision_root(reference):
    return layer(reference, root=lambda self: torch.sqrt(torch.tensor(self.d_model // self.h)))


@misconception(
    "at3",
    "Mask the scores, not the weights: the rows of every head must still sum to 1.",
    caught_by=SHARED,
    replaces="MultiHead",
)
def heads_that_mask_the_weights(reference):
    return layer(reference, masked=lambda self, scores, mask: torch.softmax(scores, -1) * mask)


@misconception(
    "at5",
    "A large negative number is not a mask: in every head a row with no allowed key leaks.",
    caught_by="test_query_without_keys_gives_the_output_bias",
    replaces="MultiHead",
)
def heads_with_a_large_negative_fill(reference):
    return layer(reference, masked=lambda self, s, mask: torch.softmax(s.masked_fill(~mask, -1e9), -1))


@misconception(
    "at6",
    "0/0: softmax of a row of −inf is nan; after it put 0 where the mask is False.",
    caught_by="test_query_without_keys_gives_the_output_bias",
    replaces="MultiHead",
)
def heads_without_a_guard(reference):
    return layer(reference, masked=lambda self, s, mask: torch.softmax(s.masked_fill(~mask, -math.inf), -1))


@misconception(
    "at7",
    "True means allowed here, as in scaled_dot_product_attention and unlike nn.MultiheadAttention.",
    caught_by=SHARED,
    replaces="MultiHead",
)
def heads_with_the_mask_inverted(reference):
    def masked(self, scores, mask):
        return torch.softmax(scores.masked_fill(mask, -math.inf), -1).masked_fill(mask, 0.0)

    return layer(reference, masked=masked)


@misconception(
    "at9",
    "Heads and positions got interleaved: swap them back before the heads are put side by side.",
    caught_by=SELF,
    replaces="MultiHead",
)
def heads_merged_without_swapping(reference):
    def merge(self, heads):
        return heads.reshape(heads.shape[0], heads.shape[2], -1)

    return layer(reference, merge=merge)


@misconception(
    "at9",
    "Heads and positions got interleaved: reshape to (N, L, h, d/h) and swap, not straight to (N, h, L, d/h).",
    caught_by=SELF,
    replaces="MultiHead",
)
def heads_split_without_swapping(reference):
    def split(self, x):
        return x.reshape(x.shape[0], self.h, x.shape[1], -1)

    return layer(reference, split=split)


@misconception(
    "at10",
    "Every head reads the whole embedding; it is the projected vectors that are split.",
    caught_by="test_every_head_reads_the_whole_embedding",
    replaces="MultiHead",
)
def heads_that_slice_the_input(reference):
    def project(self, x, w, b):
        block = torch.block_diag(*[torch.ones(self.d_model // self.h, self.d_model // self.h)] * self.h)
        return x @ (w * block.to(w)).T + b

    return layer(reference, project=project)


@misconception(
    "at22",
    "Keys and values come from the second argument: queries look things up in another sequence.",
    caught_by="test_cross_attention",
    replaces="MultiHead",
)
def heads_that_ignore_the_second_argument(reference):
    return layer(reference, sources=lambda self, xq, xkv: (xq, xq, xq))


@misconception(
    "at22",
    "The rows of in_w are for queries, keys and values in this order.",
    caught_by=SELF,
    replaces="MultiHead",
)
def heads_with_keys_first(reference):
    def order(self, d):
        return slice(d, 2 * d), slice(2 * d, 3 * d), slice(0, d)

    return layer(reference, order=order)


@misconception(
    "at22",
    "A torch weight has its outputs along the rows: the map is x Wᵀ + b.",
    caught_by=SELF,
    replaces="MultiHead",
)
def heads_without_the_transpose(reference):
    return layer(reference, project=lambda self, x, w, b: x @ w + b)


@misconception(
    "at22",
    "A torch weight has its outputs along the rows: the last map is x out_wᵀ + out_b.",
    caught_by=SELF,
    replaces="MultiHead",
)
def heads_without_the_last_transpose(reference):
    return layer(reference, output=lambda self, heads, w, b: heads @ w + b)


@misconception("at22", "The three projections have a bias too.", caught_by=SELF, replaces="MultiHead")
def heads_without_a_bias(reference):
    return layer(reference, project=lambda self, x, w, b: x @ w.T)


@misconception("at22", "The last map has a bias too.", caught_by=SELF, replaces="MultiHead")
def heads_without_the_last_bias(reference):
    return layer(reference, output=lambda self, heads, w, b: heads @ w.T)


@misconception(
    "at22",
    "Side by side is not the end: the output map mixes the heads.",
    caught_by=SELF,
    replaces="MultiHead",
)
def heads_that_stay_unmixed(reference):
    return layer(reference, output=lambda self, heads, w, b: heads)


@misconception(
    "at23",
    "A mask of three axes is one per example: it needs an axis for the heads before it broadcasts.",
    caught_by=SHARED,
    replaces="MultiHead",
)
def heads_that_read_examples_as_heads(reference):
    def widen(self, mask):
        return mask if mask.dim() != 3 or mask.shape[0] in (1, self.h) else mask.unsqueeze(1)

    return layer(reference, widen=widen)


@misconception(
    "at24",
    "load keeps copies: otherwise the layer changes when somebody writes to the tensors that were given.",
    caught_by="test_loading_takes_copies",
    replaces="MultiHead",
)
def heads_that_borrow_the_weights(reference):
    return layer(reference, keep=lambda self, given: list(given))


@misconception(
    "at24",
    "detach cuts the graph: copy with clone, and the gradient reaches the tensors that were given.",
    caught_by="test_gradients_reach_the_loaded_weights",
    replaces="MultiHead",
)
def heads_with_detached_weights(reference):
    return layer(reference, keep=lambda self, given: [t.detach().clone().requires_grad_() for t in given])


# -------------------------------------------------------------------------------------------------- positions


def positions(reference, frequency, first=np.sin, second=np.cos, start=0):
    """The reference, with other frequencies, functions or counting."""
    right = reference.sinusoidal_positions

    def sinusoidal_positions(L, d):
        right(L, d)  # for the errors
        angle = np.arange(start, start + L)[:, None] * frequency(np.arange(d // 2), d)
        return np.stack((first(angle), second(angle)), axis=-1).reshape(L, d)

    return sinusoidal_positions


SINES = "test_sines_and_cosines"


def right_frequency(i, d):
    return 10000.0 ** (-2 * i / d)


@misconception(
    "at12",
    "Pairs (2i, 2i+1) share one frequency: its exponent is 2i/d, and the 2 was counted twice.",
    caught_by=SINES,
    replaces="sinusoidal_positions",
)
def positions_with_a_double_exponent(reference):
    return positions(reference, lambda i, d: 10000.0 ** (-4 * i / d))


@misconception(
    "at12",
    "Pairs (2i, 2i+1) share one frequency: its exponent is 2i/d, not i/d.",
    caught_by=SINES,
    replaces="sinusoidal_positions",
)
def positions_with_half_an_exponent(reference):
    return positions(reference, lambda i, d: 10000.0 ** (-i / d))


@misconception(
    "at12",
    "Pairs (2i, 2i+1) share one frequency: sines and cosines alternate and do not fill two halves.",
    caught_by=SINES,
    replaces="sinusoidal_positions",
)
def positions_in_two_halves(reference):
    right = reference.sinusoidal_positions

    def sinusoidal_positions(L, d):
        right(L, d)
        angle = np.arange(L)[:, None] * right_frequency(np.arange(d // 2), d)
        return np.concatenate((np.sin(angle), np.cos(angle)), axis=1)

    return sinusoidal_positions


@misconception(
    "at12",
    "Pairs (2i, 2i+1) share one frequency: the cosine's exponent is 2i/d as well, not (2i+1)/d.",
    caught_by=SINES,
    replaces="sinusoidal_positions",
)
def positions_with_a_frequency_per_column(reference):
    right = reference.sinusoidal_positions

    def sinusoidal_positions(L, d):
        right(L, d)
        column = np.arange(d)
        angle = np.arange(L)[:, None] * 10000.0 ** (-column / d)
        return np.where(column % 2 == 0, np.sin(angle), np.cos(angle))

    return sinusoidal_positions


@misconception("at26", "The sine comes first, in the even columns.", caught_by=SINES, replaces="sinusoidal_positions")
def positions_with_the_cosine_first(reference):
    return positions(reference, right_frequency, first=np.cos, second=np.sin)


@misconception("at26", "Positions count from 0.", caught_by=SINES, replaces="sinusoidal_positions")
def positions_that_count_from_one(reference):
    return positions(reference, right_frequency, start=1)


# -------------------------------------------------------------------------------------------- nadaraya_watson


def regression(reference, scores):
    """The reference with other scores."""
    right = reference.nadaraya_watson

    def nadaraya_watson(xq, x, y, bandwidth):
        right(xq, x, y, bandwidth)  # for the errors
        return reference.softmax(scores(xq[:, None] - x, bandwidth)) @ y

    return nadaraya_watson


KERNEL = "test_kernel_regression"


@misconception("at27", "A Gaussian has a half in its exponent.", caught_by=KERNEL, replaces="nadaraya_watson")
def regression_without_the_half(reference):
    return regression(reference, lambda distance, b: -((distance / b) ** 2))


@misconception(
    "at27",
    "The bandwidth is a length: it divides the distance before the square.",
    caught_by=KERNEL,
    replaces="nadaraya_watson",
)
def regression_with_the_bandwidth_outside(reference):
    return regression(reference, lambda distance, b: -0.5 * distance**2 / b)


@misconception(
    "at27",
    "A wider kernel looks farther: divide the distance by the bandwidth instead of multiplying.",
    caught_by=KERNEL,
    replaces="nadaraya_watson",
)
def regression_with_the_inverse_bandwidth(reference):
    return regression(reference, lambda distance, b: -0.5 * (distance * b) ** 2)


@misconception(
    "at27",
    "Square the distance: the kernel is a Gaussian.",
    caught_by=KERNEL,
    replaces="nadaraya_watson",
)
def regression_with_absolute_distances(reference):
    return regression(reference, lambda distance, b: -0.5 * np.abs(distance / b))


@misconception(
    "at28",
    "Far from all data every kernel underflows and 0/0 is nan: take a stable softmax of the exponents.",
    caught_by="test_far_from_all_data",
    replaces="nadaraya_watson",
)
def regression_with_plain_kernels(reference):
    right = reference.nadaraya_watson

    def nadaraya_watson(xq, x, y, bandwidth):
        right(xq, x, y, bandwidth)
        kernel = np.exp(-0.5 * ((xq[:, None] - x) / bandwidth) ** 2)
        with np.errstate(invalid="ignore"):
            return kernel @ y / kernel.sum(axis=1)

    return nadaraya_watson


@misconception(
    "at28",
    "A sum of weights is no average yet: divide by the sum of the kernels.",
    caught_by=KERNEL,
    replaces="nadaraya_watson",
)
def regression_without_normalisation(reference):
    right = reference.nadaraya_watson

    def nadaraya_watson(xq, x, y, bandwidth):
        right(xq, x, y, bandwidth)
        return np.exp(-0.5 * ((xq[:, None] - x) / bandwidth) ** 2) @ y

    return nadaraya_watson


@misconception(
    "at28",
    "Each query point spreads weight over the observations: normalise over the observations.",
    caught_by=KERNEL,
    replaces="nadaraya_watson",
)
def regression_normalised_over_queries(reference):
    right = reference.nadaraya_watson

    def nadaraya_watson(xq, x, y, bandwidth):
        right(xq, x, y, bandwidth)
        return reference.softmax(-0.5 * ((xq[:, None] - x) / bandwidth) ** 2, 0) @ y

    return nadaraya_watson
