// Training of small convolutional networks on one core of a CPU: native.py describes a network as a list of steps.
//
// Images, activations and their gradients are in NHWC order, so that the channels of a pixel are vectors of the
// processor. Channels are filled up to whole vectors with channels of weight zero, which stay zero. A convolution
// reads its input with a border of zeros around every image; where a pixel lies is looked up in a table, and so
// kernels, strides and borders need no cases of their own.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace {

using std::vector;

typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector16 __attribute__((vector_size(64)));
template <class V> constexpr int lanes = sizeof(V) / sizeof(float);

struct Free { void operator()(float* memory) const { std::free(memory); } };
using Floats = std::unique_ptr<float[], Free>;

Floats zeros(size_t count) {
    size_t bytes = (count * sizeof(float) + 63) / 64 * 64 + 64;
    float* memory = static_cast<float*>(std::aligned_alloc(64, bytes));
    if (!memory) throw std::bad_alloc();
    std::memset(memory, 0, bytes);
    return Floats(memory);
}

template <class V> inline V& at(float* start) { return *reinterpret_cast<V*>(start); }
template <class V> inline const V& at(const float* start) { return *reinterpret_cast<const V*>(start); }

template <class V> inline void put(float* target, V value, bool fresh) {  // or add, if it is not fresh
    at<V>(target) = fresh ? value : at<V>(target) + value;
}

// ---- pixels -------------------------------------------------------------------------------------------------------

struct Layout {  // of (batch, height, width, channels) with `border` pixels of zeros around every image
    int batch, height, width, channels, border;

    int pixels(int images) const { return images * height * width; }
    int row() const { return (width + 2 * border) * channels; }
    size_t size() const { return size_t(batch) * (height + 2 * border) * row(); }
    int offset(int image, int y, int x) const {  // of a pixel; -1 and height, width are in the border
        return (image * (height + 2 * border) + y + border) * row() + (x + border) * channels;
    }
    vector<int> offsets(int stride = 1) const {  // of every stride-th pixel of rows and columns
        vector<int> all;
        for (int image = 0; image < batch; ++image)
            for (int y = 0; y < height; y += stride)
                for (int x = 0; x < width; x += stride) all.push_back(offset(image, y, x));
        return all;
    }
};

struct Activation {
    Layout layout;
    Floats value, gradient;
    vector<int> where;  // offset of every pixel

    float* of(int pixel) const { return value.get() + where[pixel]; }
    float* gradient_of(int pixel) const { return gradient.get() + where[pixel]; }
};

// ---- convolutions -------------------------------------------------------------------------------------------------

struct Window {  // what lies under a kernel, relative to the pixel in its centre
    struct Run {  // 8, 4, 2 or 1 channels of one pixel
        ptrdiff_t step;  // from the first number of the run before, at first from the pixel in the centre
        int channels;
    };
    vector<int> taps;  // the offset of every pixel
    vector<Run> runs;

    Window(const Layout& layout, int kernel, int channels) {
        int reach = kernel / 2;
        ptrdiff_t before = 0;
        for (int y = -reach; y <= reach; ++y)
            for (int x = -reach; x <= reach; ++x) {
                taps.push_back(y * layout.row() + x * layout.channels);
                for (int c = 0; c < channels; c += runs.back().channels) {
                    int left = channels - c;
                    runs.push_back({taps.back() + c - before, left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1});
                    before = taps.back() + c;
                }
            }
    }
};

template <class V, int N, int P, int C>
inline void add_run(V (&sum)[P][N], const float* const (&pixel)[P], const float*& weight, int stride) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c, weight += stride)
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 2
            for (int n = 0; n < N; ++n) sum[p][n] += pixel[p][c] * at<V>(weight + n * lanes<V>);
}

// out(p, :) = or += sum over taps t, channels c of in(p + t, c) * weight(t, c, :), for P pixels and N vectors.
template <class V, int N, int P>
inline void correlate_tile(const float* in, const int* from, const vector<Window::Run>& runs, const float* weight,
                           int stride, float* out, const int* to, bool fresh) {
    V sum[P][N] = {};
    const float* pixel[P];
    for (int p = 0; p < P; ++p) pixel[p] = in + from[p];
    for (auto [step, channels] : runs) {
        for (int p = 0; p < P; ++p) pixel[p] += step;
        switch (channels) {
            case 8: add_run<V, N, P, 8>(sum, pixel, weight, stride); break;
            case 4: add_run<V, N, P, 4>(sum, pixel, weight, stride); break;
            case 2: add_run<V, N, P, 2>(sum, pixel, weight, stride); break;
            default: add_run<V, N, P, 1>(sum, pixel, weight, stride);
        }
    }
    for (int p = 0; p < P; ++p)
        for (int n = 0; n < N; ++n) put(out + to[p] + n * lanes<V>, sum[p][n], fresh);
}

template <class V, int N>
void correlate_vectors(const float* in, const int* from, const vector<Window::Run>& runs, const float* weight,
                       int stride, float* out, const int* to, int pixels, bool fresh) {
    constexpr int P = 8;  // as many as there are registers for
    int p = 0;
    for (; p + P <= pixels; p += P) correlate_tile<V, N, P>(in, from + p, runs, weight, stride, out, to + p, fresh);
    for (; p + 4 <= pixels; p += 4) correlate_tile<V, N, 4>(in, from + p, runs, weight, stride, out, to + p, fresh);
    for (; p < pixels; ++p) correlate_tile<V, N, 1>(in, from + p, runs, weight, stride, out, to + p, fresh);
}

void correlate(const float* in, const int* from, const vector<Window::Run>& runs, const float* weight, int width,
               float* out, const int* to, int pixels, bool fresh) {
    if (width % 16) {
        for (int v = 0; v < width; v += 8)
            correlate_vectors<Vector8, 1>(in, from, runs, weight + v, width, out + v, to, pixels, fresh);
        return;
    }
    int v = 0;
    for (; v + 32 <= width; v += 32)
        correlate_vectors<Vector16, 2>(in, from, runs, weight + v, width, out + v, to, pixels, fresh);
    if (v < width) correlate_vectors<Vector16, 1>(in, from, runs, weight + v, width, out + v, to, pixels, fresh);
}

// weight gradient(t, c, :) = sum over pixels p of in(p + t, c) * out gradient(p, :), of one tap, C channels, N vectors.
template <class V, int N, int C>
inline void weight_tile(const float* in, const int* from, const float* out, const int* to, int pixels, float* gradient,
                        int stride) {
    V sum[C][N] = {};
    for (int p = 0; p < pixels; ++p) {
        const float* pixel = in + from[p];
        const float* change = out + to[p];
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c)
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n) sum[c][n] += pixel[c] * at<V>(change + n * lanes<V>);
    }
    for (int c = 0; c < C; ++c)
        for (int n = 0; n < N; ++n) at<V>(gradient + c * stride + n * lanes<V>) = sum[c][n];
}

template <class V, int N>
void weight_vectors(const float* in, const int* from, const vector<int>& taps, int channels, const float* out,
                    const int* to, int pixels, float* gradient, int stride) {
    for (int tap : taps) {
        auto block = [&]<int C>(int c) {
            weight_tile<V, N, C>(in + tap + c, from, out, to, pixels, gradient + c * stride, stride);
        };
        switch (channels) {
            case 1: block.template operator()<1>(0); break;
            case 2: block.template operator()<2>(0); break;
            case 3: block.template operator()<3>(0); break;
            case 4: block.template operator()<4>(0); break;
            case 5: block.template operator()<5>(0); break;
            case 6: block.template operator()<6>(0); break;
            case 7: block.template operator()<7>(0); break;
            default:
                for (int c = 0; c < channels; c += 8) block.template operator()<8>(std::min(c, channels - 8));
        }
        gradient += channels * stride;
    }
}

void weight_gradient(const float* in, const int* from, const vector<int>& taps, int channels, const float* out,
                     const int* to, int pixels, float* gradient, int width) {
    if (width % 16) {
        for (int v = 0; v < width; v += 8)
            weight_vectors<Vector8, 1>(in, from, taps, channels, out + v, to, pixels, gradient + v, width);
        return;
    }
    int v = 0;
    for (; v + 32 <= width; v += 32)
        weight_vectors<Vector16, 2>(in, from, taps, channels, out + v, to, pixels, gradient + v, width);
    if (v < width)
        weight_vectors<Vector16, 1>(in, from, taps, channels, out + v, to, pixels, gradient + v, width);
}

// ---- steps of a network -------------------------------------------------------------------------------------------

struct Network;

struct Step {
    int source, target;
    bool first = false;  // in the forward pass to write its target: it does not add to what is there
    bool last = false;   // to read its source, so the first in the backward pass to write that gradient

    Step(int source, int target) : source(source), target(target) {}
    virtual ~Step() = default;
    virtual void forward(Network& network, int images, bool training) = 0;
    virtual void backward(Network& network, int images) = 0;
};

struct Network {
    vector<Activation> activations;  // the first holds the images
    Floats parameters, gradients, momenta, statistics;
    size_t parameter_count;
    Floats turned;  // room for the weights of any convolution
};

using Pixelwise = Vector8;  // activations have a multiple of 8 channels

struct Convolution : Step {  // stride 1, or 2 with kernel 3; the weights are (kernel^2, c_in, c_out filled up)
    int c_in, c_out, kernel, stride;
    size_t weight;
    vector<int> centres;  // in the source, of every pixel of the target
    Layout changed;       // of the gradient of the target, with a pixel for every one of the source
    Window window, changed_window;
    Floats spread;  // stride 2: that gradient, zero between the pixels of the target
    vector<int> spread_pixels, spread_centres;

    Convolution(const Network& network, int source, int target, int c_in, int c_out, int kernel, int stride,
                size_t weight)
        : Step(source, target), c_in(c_in), c_out(c_out), kernel(kernel), stride(stride), weight(weight),
          centres(network.activations[source].layout.offsets(stride)),
          changed(changed_layout(network.activations[source].layout, network.activations[target].layout)),
          window(network.activations[source].layout, kernel, c_in), changed_window(changed, kernel, c_out) {
        if (stride > 1) {
            spread = zeros(changed.size());
            spread_pixels = changed.offsets();
            spread_centres = changed.offsets(stride);
        }
    }

    Layout changed_layout(const Layout& in, const Layout& out) const {
        return stride == 1 ? out : Layout{in.batch, in.height, in.width, out.channels, kernel / 2};
    }

    void forward(Network& network, int images, bool) override {
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        correlate(in.value.get(), centres.data(), window.runs, network.parameters.get() + weight, out.layout.channels,
                  out.value.get(), out.where.data(), out.layout.pixels(images), true);
    }

    void backward(Network& network, int images) override {
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        int width = out.layout.channels, pixels = out.layout.pixels(images);
        weight_gradient(in.value.get(), centres.data(), window.taps, c_in, out.gradient.get(), out.where.data(), pixels,
                        network.gradients.get() + weight, width);
        if (source == 0) return;  // the images
        // The gradient of the input is the same sum over that of the output, with the weights weight(-t, c', c).
        int count = kernel * kernel, in_width = in.layout.channels;
        const float* weights = network.parameters.get() + weight;
        float* turned = network.turned.get();
        std::memset(turned, 0, size_t(count) * c_out * in_width * sizeof(float));
        for (int t = 0; t < count; ++t)
            for (int o = 0; o < c_out; ++o)
                for (int i = 0; i < c_in; ++i)
                    turned[((count - 1 - t) * c_out + o) * in_width + i] = weights[(t * c_in + i) * width + o];
        const float* changes = out.gradient.get();
        const int* pixel = out.where.data();
        if (stride > 1) {
            for (int p = 0; p < pixels; ++p)
                std::memcpy(spread.get() + spread_centres[p], out.gradient_of(p), width * sizeof(float));
            changes = spread.get();
            pixel = spread_pixels.data();
        }
        correlate(changes, pixel, changed_window.runs, turned, in_width, in.gradient.get(), in.where.data(),
                  in.layout.pixels(images), last);
    }
};

struct Normalisation : Step {  // target += batch normalisation of the source, which has no other reader
    size_t scale, shift, mean, variance;  // the first two among parameters, the others among statistics
    vector<float> centre, inverse;        // of the batch: mean, 1 / sqrt(variance + epsilon)
    static constexpr float EPSILON = 1e-5f, MOMENTUM = 0.1f;

    Normalisation(const Network& network, int source, int target, size_t parameter, size_t statistic)
        : Step(source, target), scale(parameter), mean(statistic) {
        int channels = network.activations[source].layout.channels;
        shift = scale + channels;
        variance = mean + channels;
        centre.resize(channels);
        inverse.resize(channels);
    }

    template <class V, class F> static V sum(int pixels, F term) {
        V sums[4] = {};
        int p = 0;
        for (; p + 4 <= pixels; p += 4)
            for (int k = 0; k < 4; ++k) sums[k] += term(p + k);
        for (; p < pixels; ++p) sums[0] += term(p);
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    void forward(Network& network, int images, bool training) override {
        using V = Pixelwise;
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        const float* parameters = network.parameters.get();
        float* statistics = network.statistics.get();
        int pixels = in.layout.pixels(images);
        for (int c = 0; c < in.layout.channels; c += lanes<V>) {
            V middle = at<V>(statistics + mean + c), spread = at<V>(statistics + variance + c);
            if (training) {
                middle = sum<V>(pixels, [&](int p) { return at<V>(in.of(p) + c); }) / float(pixels);
                spread = sum<V>(pixels, [&](int p) {
                    V difference = at<V>(in.of(p) + c) - middle;
                    return difference * difference;
                }) / float(pixels);
                float correction = float(pixels) / float(std::max(pixels - 1, 1));
                V& running_mean = at<V>(statistics + mean + c);
                V& running_variance = at<V>(statistics + variance + c);
                running_mean += MOMENTUM * (middle - running_mean);
                running_variance += MOMENTUM * (spread * correction - running_variance);
            }
            V factor;
            for (int k = 0; k < lanes<V>; ++k) {
                factor[k] = 1.0f / std::sqrt(spread[k] + EPSILON);
                centre[c + k] = middle[k];
                inverse[c + k] = factor[k];
            }
            factor *= at<V>(parameters + scale + c);
            V constant = at<V>(parameters + shift + c) - middle * factor;
            for (int p = 0; p < pixels; ++p) put(out.of(p) + c, at<V>(in.of(p) + c) * factor + constant, first);
        }
    }

    void backward(Network& network, int images) override {
        using V = Pixelwise;
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        int pixels = in.layout.pixels(images);
        for (int c = 0; c < in.layout.channels; c += lanes<V>) {
            V middle, factor;
            for (int k = 0; k < lanes<V>; ++k) middle[k] = centre[c + k], factor[k] = inverse[c + k];
            V changes = sum<V>(pixels, [&](int p) { return at<V>(out.gradient_of(p) + c); });
            V products = sum<V>(pixels, [&](int p) {
                return at<V>(out.gradient_of(p) + c) * (at<V>(in.of(p) + c) - middle);
            }) * factor;
            at<V>(network.gradients.get() + shift + c) = changes;
            at<V>(network.gradients.get() + scale + c) = products;
            V slope = factor * at<V>(network.parameters.get() + scale + c);
            V mean_change = changes / float(pixels), mean_product = factor * products / float(pixels);
            for (int p = 0; p < pixels; ++p) {
                V difference = at<V>(in.of(p) + c) - middle;
                at<V>(in.gradient_of(p) + c) =
                    slope * (at<V>(out.gradient_of(p) + c) - mean_change - difference * mean_product);
            }
        }
    }
};

struct Relu : Step {  // target = max(source, 0)
    using Step::Step;

    void forward(Network& network, int images, bool) override {
        using V = Pixelwise;
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        for (int p = 0; p < in.layout.pixels(images); ++p)
            for (int c = 0; c < in.layout.channels; c += lanes<V>) {
                V x = at<V>(in.of(p) + c);
                at<V>(out.of(p) + c) = x < 0.0f ? V{} : x;  // NaN stays
            }
    }

    void backward(Network& network, int images) override {
        using V = Pixelwise;
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        for (int p = 0; p < in.layout.pixels(images); ++p)
            for (int c = 0; c < in.layout.channels; c += lanes<V>)
                put(in.gradient_of(p) + c, at<V>(out.of(p) + c) > 0.0f ? at<V>(out.gradient_of(p) + c) : V{}, last);
    }
};

struct Sum : Step {  // target += source
    using Step::Step;

    template <class From, class To> static void add(const Layout& layout, int images, From from, To to, bool fresh) {
        using V = Pixelwise;
        for (int p = 0; p < layout.pixels(images); ++p)
            for (int c = 0; c < layout.channels; c += lanes<V>) put(to(p) + c, at<V>(from(p) + c), fresh);
    }

    void forward(Network& network, int images, bool) override {
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        add(in.layout, images, [&](int p) { return in.of(p); }, [&](int p) { return out.of(p); }, first);
    }

    void backward(Network& network, int images) override {
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        add(in.layout, images, [&](int p) { return out.gradient_of(p); }, [&](int p) { return in.gradient_of(p); },
            last);
    }
};

struct Pooling : Step {  // target += the mean over those pixels of a window that are inside the image
    struct Share { int from; float share; };  // the offset of a pixel of an image, what it counts
    using Shares = vector<vector<Share>>;
    Shares inputs, outputs;  // of every pixel of a target image what it takes, of a source image where it goes

    Pooling(const Network& network, int source, int target, int kernel, int stride) : Step(source, target) {
        int padding = (kernel - 1) / 2;
        const Layout& in = network.activations[source].layout;
        const Layout& out = network.activations[target].layout;
        inputs.resize(out.pixels(1));
        outputs.resize(in.pixels(1));
        for (int y = 0; y < out.height; ++y)
            for (int x = 0; x < out.width; ++x) {
                int first_row = y * stride - padding, first_column = x * stride - padding;
                int top = std::max(first_row, 0), bottom = std::min(first_row + kernel, in.height);
                int left = std::max(first_column, 0), right = std::min(first_column + kernel, in.width);
                float share = 1.0f / float((bottom - top) * (right - left));
                for (int v = top; v < bottom; ++v)
                    for (int u = left; u < right; ++u) {
                        inputs[y * out.width + x].push_back({in.offset(0, v, u), share});
                        outputs[v * in.width + u].push_back({out.offset(0, y, x), share});
                    }
            }
    }

    static void add(const float* from, const Layout& from_layout, float* to, const Layout& to_layout, int images,
                    const Shares& shares, bool fresh) {
        using V = Pixelwise;
        for (int image = 0; image < images; ++image, from += from_layout.size() / from_layout.batch)
            for (int y = 0, p = 0; y < to_layout.height; ++y)
                for (int x = 0; x < to_layout.width; ++x, ++p)
                    for (int c = 0; c < to_layout.channels; c += lanes<V>) {
                        V total = {};
                        for (auto [offset, share] : shares[p]) total += share * at<V>(from + offset + c);
                        put(to + to_layout.offset(image, y, x) + c, total, fresh);
                    }
    }

    void forward(Network& network, int images, bool) override {
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        add(in.value.get(), in.layout, out.value.get(), out.layout, images, inputs, first);
    }

    void backward(Network& network, int images) override {
        Activation& in = network.activations[source];
        Activation& out = network.activations[target];
        add(out.gradient.get(), out.layout, in.gradient.get(), in.layout, images, outputs, last);
    }
};

struct Classifier {  // mean over pixels, linear layer, cross entropy
    int source, classes;
    size_t weight, bias;  // (classes, channels), (classes,)
    vector<float> features, changes, logits;

    Classifier() = default;
    Classifier(const Network& network, int source, int classes, size_t parameter)
        : source(source), classes(classes), weight(parameter) {
        const Layout& layout = network.activations[source].layout;
        bias = weight + size_t(classes) * layout.channels;
        features.resize(layout.channels);
        changes.resize(layout.channels);
        logits.resize(classes);
    }

    // Adds the cross entropies and the right answers; in training also sets the gradients of the mean cross entropy.
    void apply(Network& network, const int64_t* labels, int images, bool training, double& loss, int64_t& right) {
        Activation& in = network.activations[source];
        int channels = in.layout.channels, pixels = in.layout.pixels(1);
        const float* w = network.parameters.get() + weight;
        const float* b = network.parameters.get() + bias;
        float* dw = network.gradients.get() + weight;
        float* db = network.gradients.get() + bias;
        if (training) std::memset(dw, 0, (size_t(classes) * channels + classes) * sizeof(float));
        for (int image = 0; image < images; ++image) {
            std::fill(features.begin(), features.end(), 0.0f);
            for (int p = 0; p < pixels; ++p)
                for (int c = 0; c < channels; ++c) features[c] += in.of(image * pixels + p)[c];
            for (float& feature : features) feature /= float(pixels);
            for (int k = 0; k < classes; ++k) {
                float sum = b[k];
                for (int c = 0; c < channels; ++c) sum += w[k * channels + c] * features[c];
                logits[k] = sum;
            }
            int best = int(std::max_element(logits.begin(), logits.end()) - logits.begin());
            double normaliser = 0.0;
            for (float logit : logits) normaliser += std::exp(double(logit) - logits[best]);
            loss += std::log(normaliser) + logits[best] - logits[labels[image]];
            right += best == labels[image];
            if (!training) continue;
            std::fill(changes.begin(), changes.end(), 0.0f);
            for (int k = 0; k < classes; ++k) {
                double chance = std::exp(double(logits[k]) - logits[best]) / normaliser;
                float change = float(chance - (k == labels[image])) / float(images);
                db[k] += change;
                for (int c = 0; c < channels; ++c) {
                    dw[k * channels + c] += change * features[c];
                    changes[c] += change * w[k * channels + c];
                }
            }
            for (int p = 0; p < pixels; ++p)
                for (int c = 0; c < channels; ++c)
                    in.gradient_of(image * pixels + p)[c] = changes[c] / float(pixels);
        }
    }
};

struct Trainee : Network {
    vector<std::unique_ptr<Step>> steps;
    Classifier classifier;
    int channels;  // of the images

    int64_t image_size() const { return int64_t(channels) * activations[0].layout.pixels(1); }

    template <class F> static void batches(int64_t count, int batch, F work) {
        for (int64_t start = 0; start < count; start += batch)
            work(start, int(std::min<int64_t>(batch, count - start)));
    }

    void forward(const float* pictures, int count, bool training) {  // pictures: (count, channels, height, width)
        Activation& first = activations[0];
        int pixels = first.layout.pixels(1);
        for (int p = 0; p < first.layout.pixels(count); ++p)
            for (int c = 0; c < channels; ++c)
                first.of(p)[c] = pictures[(size_t(p / pixels) * channels + c) * pixels + p % pixels];
        for (auto& step : steps) step->forward(*this, count, training);
    }

    void backward(int count) {
        for (auto step = steps.rbegin(); step != steps.rend(); ++step) (*step)->backward(*this, count);
    }

    void descend(float rate, float momentum, bool nesterov, float decay) {  // torch.optim.SGD
        float* p = parameters.get();
        float* g = gradients.get();
        float* m = momenta.get();
        for (size_t i = 0; i < parameter_count; ++i) {
            float gradient = g[i] + decay * p[i];
            m[i] = momentum * m[i] + gradient;
            p[i] -= rate * (nesterov ? gradient + momentum * m[i] : m[i]);
        }
    }
};

}  // namespace

extern "C" {

enum { CONVOLUTION, NORMALISATION, RELU, SUM, POOLING, CLASSIFIER };

// activations: (count, 4) of height, width, channels (multiples of 8, but for the first, the images), border.
// steps: (count, 9) of kind, source, target, c_in, c_out, kernel, stride, first parameter, first statistic.
// The network, or null if there is no memory for it.
void* create(int batch, int channels, int activation_count, const int* shapes, int step_count, const int64_t* steps,
             int64_t parameters, int64_t statistics) try {
    auto network = std::make_unique<Trainee>();
    network->channels = channels;
    for (int a = 0; a < activation_count; ++a, shapes += 4) {
        Layout layout{batch, shapes[0], shapes[1], shapes[2], shapes[3]};
        network->activations.push_back({layout, zeros(layout.size()), zeros(layout.size()), layout.offsets()});
    }
    network->parameters = zeros(parameters);
    network->gradients = zeros(parameters);
    network->momenta = zeros(parameters);
    network->statistics = zeros(statistics);
    network->parameter_count = parameters;
    size_t most = 0;
    for (int s = 0; s < step_count; ++s, steps += 9) {
        int kind = int(steps[0]), source = int(steps[1]), target = int(steps[2]), c_in = int(steps[3]);
        int c_out = int(steps[4]), kernel = int(steps[5]), stride = int(steps[6]);
        Step* step = nullptr;
        switch (kind) {
            case CONVOLUTION:
                step = new Convolution(*network, source, target, c_in, c_out, kernel, stride, steps[7]);
                most = std::max(most, size_t(kernel) * kernel * c_out * network->activations[source].layout.channels);
                break;
            case NORMALISATION: step = new Normalisation(*network, source, target, steps[7], steps[8]); break;
            case RELU: step = new Relu(source, target); break;
            case SUM: step = new Sum(source, target); break;
            case POOLING: step = new Pooling(*network, source, target, kernel, stride); break;
            case CLASSIFIER: network->classifier = Classifier(*network, source, c_out, steps[7]); break;
        }
        if (step) network->steps.emplace_back(step);
    }
    vector<bool> written(activation_count), read(activation_count);
    for (auto& step : network->steps) {
        step->first = !written[step->target];
        written[step->target] = true;
    }
    for (auto step = network->steps.rbegin(); step != network->steps.rend(); ++step) {
        (*step)->last = !read[(*step)->source];
        read[(*step)->source] = true;
    }
    network->turned = zeros(most);
    return network.release();
} catch (const std::bad_alloc&) {
    return nullptr;
}

void destroy(void* network) { delete static_cast<Trainee*>(network); }
float* parameters(void* network) { return static_cast<Trainee*>(network)->parameters.get(); }
float* gradients(void* network) { return static_cast<Trainee*>(network)->gradients.get(); }
float* statistics(void* network) { return static_cast<Trainee*>(network)->statistics.get(); }

// A pass over `count` images in batches, in order, with a step after each; adds to loss and right.
void train(void* handle, const float* pictures, const int64_t* labels, int64_t count, int batch, float rate,
           float momentum, int nesterov, float decay, double* loss, int64_t* right) {
    auto& network = *static_cast<Trainee*>(handle);
    network.batches(count, batch, [&](int64_t start, int now) {
        network.forward(pictures + start * network.image_size(), now, true);
        network.classifier.apply(network, labels + start, now, true, *loss, *right);
        network.backward(now);
        network.descend(rate, momentum, nesterov, decay);
    });
}

void evaluate(void* handle, const float* pictures, const int64_t* labels, int64_t count, int batch, double* loss,
              int64_t* right) {
    auto& network = *static_cast<Trainee*>(handle);
    network.batches(count, batch, [&](int64_t start, int now) {
        network.forward(pictures + start * network.image_size(), now, false);
        network.classifier.apply(network, labels + start, now, false, *loss, *right);
    });
}

}
