// A ray tracer: spheres over a chequered floor at sunset, drawn in the terminal with two pixels to a
// character cell (24-bit colours), or written as a PNG.
//
//   raytrace [--columns N] [--samples N] [--png PATH]
#include "../rt/rt.h"
#include "png.h"

typedef struct { double x, y, z; } Vec;

typedef struct {
    Vec centre;
    double radius;
    Vec colour;
    double mirror;  // share of light that is reflected, 0 to 1
    double gloss;   // strength of the highlight
} Sphere;

enum { MAX_SPHERES = 24, MAX_COLUMNS = 640, MAX_DEPTH = 5 };

static Sphere spheres[MAX_SPHERES];
static int sphere_count;
static u8 pixels[MAX_COLUMNS * MAX_COLUMNS * 3];

static const Vec SUN = {-0.62, 0.48, -0.62};

static Vec add(Vec a, Vec b) { return (Vec){a.x + b.x, a.y + b.y, a.z + b.z}; }
static Vec sub(Vec a, Vec b) { return (Vec){a.x - b.x, a.y - b.y, a.z - b.z}; }
static Vec scale(Vec a, double k) { return (Vec){a.x * k, a.y * k, a.z * k}; }
static Vec times(Vec a, Vec b) { return (Vec){a.x * b.x, a.y * b.y, a.z * b.z}; }
static double dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static Vec unit(Vec a) { return scale(a, 1 / __builtin_sqrt(dot(a, a))); }
static Vec mix(Vec a, Vec b, double k) { return add(scale(a, 1 - k), scale(b, k)); }
static double clamp(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

// Sine by its series, after folding the angle into [-pi, pi]; good to 1e-7 there.
static double sine(double x) {
    const double pi = 3.14159265358979323846;
    while (x > pi) x -= 2 * pi;
    while (x < -pi) x += 2 * pi;
    double term = x, sum = x;
    for (int n = 2; n < 24; n += 2) {
        term *= -x * x / (n * (n + 1));
        sum += term;
    }
    return sum;
}

static double cosine(double x) { return sine(x + 1.57079632679489661923); }

static double power_of_two_power(double base, int doublings) {
    while (doublings--) base *= base;
    return base;
}

static void place(Vec centre, double radius, Vec colour, double mirror, double gloss) {
    spheres[sphere_count++] = (Sphere){centre, radius, colour, mirror, gloss};
}

static void build_scene(void) {
    place((Vec){0, 1.1, 0}, 1.1, (Vec){0.95, 0.95, 1.0}, 0.82, 1.0);
    place((Vec){-2.3, 0.8, 0.6}, 0.8, (Vec){0.95, 0.30, 0.18}, 0.18, 0.8);
    place((Vec){2.2, 0.75, -0.2}, 0.75, (Vec){0.15, 0.55, 0.95}, 0.25, 0.9);
    for (int i = 0; i < 13; i++) {
        double turn = 6.28318530717958647692 * i / 13;
        Vec colour = {0.55 + 0.45 * sine(turn), 0.55 + 0.45 * sine(turn + 2.1),
                      0.55 + 0.45 * sine(turn + 4.2)};
        place((Vec){3.3 * cosine(turn), 0.28, 2.1 * sine(turn) - 0.6}, 0.28, colour, 0.12, 0.6);
    }
}

// The nearest sphere that the ray meets beyond a hair's breadth; its distance goes to `*distance`.
static const Sphere *nearest(Vec origin, Vec direction, double *distance) {
    const Sphere *found = NULL;
    for (int i = 0; i < sphere_count; i++) {
        Vec offset = sub(origin, spheres[i].centre);
        double b = dot(offset, direction);
        double c = dot(offset, offset) - spheres[i].radius * spheres[i].radius;
        double discriminant = b * b - c;
        if (discriminant < 0) continue;
        double root = __builtin_sqrt(discriminant);
        double t = -b - root > 1e-4 ? -b - root : -b + root;
        if (t > 1e-4 && t < *distance) {
            *distance = t;
            found = &spheres[i];
        }
    }
    return found;
}

static int in_shadow(Vec point) {
    double distance = 1e9;
    return nearest(point, unit(SUN), &distance) != NULL;
}

static Vec sky(Vec direction) {
    double height = clamp(direction.y);
    Vec horizon = {1.0, 0.62, 0.38}, middle = {0.62, 0.42, 0.62}, zenith = {0.10, 0.13, 0.38};
    Vec colour = height < 0.25 ? mix(horizon, middle, height / 0.25)
                               : mix(middle, zenith, (height - 0.25) / 0.75);
    double towards_sun = clamp(dot(direction, unit(SUN)));
    double disc = power_of_two_power(towards_sun, 9), halo = power_of_two_power(towards_sun, 4);
    return add(colour, add(scale((Vec){1.0, 0.9, 0.6}, disc), scale((Vec){0.5, 0.25, 0.1}, halo)));
}

static Vec trace(Vec origin, Vec direction, int depth);

static Vec shade(Vec point, Vec normal, Vec direction, const Sphere *surface, int depth) {
    double sun = in_shadow(add(point, scale(normal, 1e-3))) ? 0 : clamp(dot(normal, unit(SUN)));
    double from_sky = 0.35 + 0.25 * normal.y;
    Vec light = add(scale((Vec){1.0, 0.82, 0.62}, 1.15 * sun), scale((Vec){0.5, 0.5, 0.72}, from_sky));
    Vec colour = times(surface->colour, light);
    Vec bounced = sub(direction, scale(normal, 2 * dot(direction, normal)));
    if (sun > 0) {
        double glint = power_of_two_power(clamp(dot(bounced, unit(SUN))), 6);
        colour = add(colour, scale((Vec){1, 0.95, 0.8}, surface->gloss * glint));
    }
    // Surfaces reflect more at grazing angles (Schlick's approximation).
    double grazing = 1 - clamp(-dot(normal, direction));
    double fresnel = grazing * grazing * grazing * grazing * grazing;
    double mirror = surface->mirror + (1 - surface->mirror) * 0.6 * fresnel;
    if (mirror < 0.02 || depth == 0) return colour;
    return mix(colour, trace(add(point, scale(normal, 1e-3)), bounced, depth - 1), mirror);
}

static Vec trace(Vec origin, Vec direction, int depth) {
    double distance = 1e9;
    const Sphere *hit = nearest(origin, direction, &distance);
    double floor_distance = direction.y < -1e-6 ? -origin.y / direction.y : 1e9;
    if (floor_distance < distance && floor_distance < 60) {
        Vec point = add(origin, scale(direction, floor_distance));
        i64 tile = (i64)(point.x + 1000) + (i64)(point.z + 1000);
        Sphere tiles = {.colour = tile & 1 ? (Vec){0.82, 0.80, 0.76} : (Vec){0.16, 0.15, 0.20},
                        .mirror = 0.14, .gloss = 0.1};
        Vec colour = shade(point, (Vec){0, 1, 0}, direction, &tiles, depth);
        double haze = clamp(floor_distance / 60);
        return mix(colour, sky((Vec){direction.x, 0.0, direction.z}), haze * haze);
    }
    if (!hit) return sky(direction);
    Vec point = add(origin, scale(direction, distance));
    return shade(point, scale(sub(point, hit->centre), 1 / hit->radius), direction, hit, depth);
}

static u8 to_byte(double linear) { return (u8)(255 * __builtin_sqrt(clamp(linear)) + 0.5); }

static void render(int width, int height, int samples) {
    Vec eye = {0.4, 1.9, 6.8}, target = {0, 0.75, 0};
    Vec forward = unit(sub(target, eye));
    Vec right = unit((Vec){-forward.z, 0, forward.x});
    Vec up = {right.y * forward.z - right.z * forward.y, right.z * forward.x - right.x * forward.z,
              right.x * forward.y - right.y * forward.x};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            Vec sum = {0, 0, 0};
            for (int s = 0; s < samples * samples; s++) {
                double u = x + (s % samples + 0.5) / samples - width * 0.5;
                double v = height * 0.5 - y - (s / samples + 0.5) / samples;
                Vec ray = add(forward, add(scale(right, u * 1.05 / width), scale(up, v * 1.05 / width)));
                sum = add(sum, trace(eye, unit(ray), MAX_DEPTH));
            }
            sum = scale(sum, 1.0 / (samples * samples));
            u8 *pixel = &pixels[(y * width + x) * 3];
            pixel[0] = to_byte(sum.x), pixel[1] = to_byte(sum.y), pixel[2] = to_byte(sum.z);
        }
}

static void colour_code(const char *layer, const u8 *pixel) {
    out_text("\033[");
    out_text(layer);
    for (int i = 0; i < 3; i++) out_text(";"), out_decimal(pixel[i]);
    out_text("m");
}

static void draw(int width, int height) {
    for (int y = 0; y + 1 < height; y += 2) {
        for (int x = 0; x < width; x++) {
            colour_code("38;2", &pixels[(y * width + x) * 3]);
            colour_code("48;2", &pixels[((y + 1) * width + x) * 3]);
            out_text("\342\226\200");  // upper half block
        }
        out_text("\033[0m\n");
    }
}

int main(int argc, char **argv) {
    i64 columns = 88, samples = 3;
    const char *png = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (text_equal(argv[i], "--columns")) columns = text_number(value), i++;
        else if (text_equal(argv[i], "--samples")) samples = text_number(value), i++;
        else if (text_equal(argv[i], "--png")) png = value, i++;
        else columns = 0;
    }
    if (columns < 8 || columns > MAX_COLUMNS || samples < 1 || samples > 16) {
        complain("usage: raytrace [--columns 8..640] [--samples 1..16] [--png PATH]\n");
        return 2;
    }
    int width = (int)columns, height = (int)columns * 9 / 16 / 2 * 2;
    build_scene();
    render(width, height, (int)samples);
    if (!png) draw(width, height);
    else if (png_write(png, pixels, (u32)width, (u32)height) < 0) {
        complain("raytrace: cannot write the picture\n");
        return 1;
    }
    return 0;
}
