"""GLSL of the renderer. Written for software rendering too: little noise, few branches.

In software all branches are run for all pixels: materials share their noise and their cells.
"""

VERTEX = """#version 330
in vec3 position; in vec3 normal;
in vec4 row0; in vec4 row1; in vec4 row2; in vec4 colour; in vec4 look;
uniform mat4 camera;
out vec3 world; out vec3 facing; out vec3 local; out vec3 local_normal;
flat out vec4 paint; flat out vec4 kind; flat out vec4 pattern;

// Of each material: size of its cells (0: the grain) and frequency of its noise, per metre.
const vec4 PATTERNS[16] = vec4[](
  vec4(1, 1, 7, 5), vec4(0, 0, 7, 7), vec4(1.2, .15, 2, 30), vec4(1, 1, 7, 7),
  vec4(1, 1, 45, 45), vec4(.3, .11, 7, 7), vec4(1, 1, 38, 38), vec4(1, 1, 7, 7),
  vec4(1, 1, 4, 22), vec4(1), vec4(1, 1, 7, 7), vec4(.42, .21, 7, 7),
  vec4(0, 0, 7, 7), vec4(1), vec4(1, 1, 3, 3), vec4(1));

void main() {
  vec4 p = vec4(position, 1);
  world = vec3(dot(row0, p), dot(row1, p), dot(row2, p));
  vec3 scale = vec3(length(vec3(row0.x, row1.x, row2.x)), length(vec3(row0.y, row1.y, row2.y)),
                    length(vec3(row0.z, row1.z, row2.z)));
  vec3 n = normal / (scale * scale);
  facing = vec3(dot(row0.xyz, n), dot(row1.xyz, n), dot(row2.xyz, n));
  local = position * scale; local_normal = normal; paint = colour; kind = look;
  pattern = PATTERNS[int(look.y + .5)];
  if (pattern.x == 0.) pattern.xy = vec2(look.z);
  // A floor's pattern runs on over all its slabs, turned by what is a lamp's glow.
  if (look.x == 1. && look.y != 14.) {
    float c = cos(look.w), s = sin(look.w);
    local.xy = mat2(c, s, -s, c) * world.xy;
  }
  gl_Position = camera * vec4(world, 1);
}
"""

FRAGMENT = """#version 330
in vec3 world; in vec3 facing; in vec3 local; in vec3 local_normal;
flat in vec4 paint; flat in vec4 kind; flat in vec4 pattern;
uniform mat4 sun_camera; uniform sampler2DShadow shadow; uniform vec3 sun; uniform vec3 sun_colour;
uniform vec3 ambient; uniform vec3 eye; uniform vec4 lamps[3]; uniform vec3 lamp_colour;
uniform float grain_seed; uniform float ceiling;
uniform sampler2D contact; uniform vec3 contact_at;
layout(location = 0) out vec4 shade;

float hash(vec2 p) {
  vec3 q = fract(vec3(p.xyx) * .1031 + grain_seed); q += dot(q, q.yzx + 33.33);
  return fract((q.x + q.y) * q.z);
}
float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p); f = f * f * (3. - 2. * f);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), f.x),
             mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x), f.y);
}
void main() {
  vec3 n = normalize(facing), base = paint.rgb;
  int material = int(kind.y + .5);
  if (material == 9) { shade = vec4(pow(base * kind.w, vec3(1. / 2.2)), 1); return; }
  vec3 away = abs(local_normal);
  vec2 uv = away.z > .7 ? local.xy : (away.x > .7 ? local.yz : local.xz);
  vec3 view = normalize(eye - world);
  float far = length(world - eye), fine = clamp(1.5 - far * .2, 0., 1.);
  float solid = material == 13 || material == 14 ? paint.a : 1., gloss = paint.a;
  // The same two noises and one grid of cells for all materials.
  float rough = noise(uv * pattern.zw), broad = noise(uv * 1.5);
  vec2 t = uv / pattern.xy;
  if (material == 2) t.x += hash(vec2(floor(t.y), 3.)) * .9;
  else if (material == 5 || material == 11) t.x += .5 * mod(floor(t.y), 2.);
  vec2 f = fract(t); float cell = hash(floor(t));
  if (material == 0) base *= .95 + .1 * rough;
  else if (material == 1 || material == 12) {
    vec2 g = abs(f - .5);
    base *= .9 + .2 * cell;
    if (material == 12) base *= 1. - .62 * mod(floor(t.x) + floor(t.y), 2.);
    base *= 1. - .5 * smoothstep(.465, .49, max(g.x, g.y)) * clamp(1.8 - far * .14, 0., 1.);
  } else if (material == 2) {
    base *= (.76 + .48 * cell) * (.9 + .2 * rough);
    base *= 1. - .5 * fine * max(step(f.y, .07), step(f.x, .008));
  } else if (material == 3) base *= .72 + .36 * broad + .2 * rough;
  else if (material == 4) base *= mix(1., .6 + .8 * rough, max(fine, .25));
  else if (material == 5 || material == 11) {
    vec2 thick = material == 5 ? vec2(.05, .13) : vec2(.025, .05);
    float joint = max(step(f.x, thick.x), step(f.y, thick.y));
    base *= material == 5 ? .78 + .44 * cell : .93 + .12 * cell;
    vec3 mortar = material == 5 ? vec3(.55) : base * .62;
    base = mix(base, mortar, joint * clamp(1.4 - far * .16, .12, 1.));
  } else if (material == 6) base *= mix(1., .84 + .32 * rough, fine);
  else if (material == 7) base *= .93 + .12 * broad;
  else if (material == 8) base *= .93 + .1 * rough;
  else if (material == 10) {
    float rib = abs(fract(uv.x / .32) - .5), band = step(1.15, world.z) * step(world.z, 1.3);
    base *= (1. - .3 * smoothstep(.3, .42, rib)) * (1. - .45 * band);
  } else if (material == 13) {
    float streak = abs(fract(local.x * .7 + local.z * .45 + kind.z) - .5);
    float graze = 1. - abs(dot(n, view));
    solid = min(solid + .5 * graze * graze * graze + .3 * smoothstep(.1, .06, streak), .9);
  } else if (material == 14) {
    float edge = length(local.xy * vec2(kind.w, 1.)) / kind.z;
    solid *= smoothstep(.1, .5, 1.1 - edge - .7 * rough);
  } else if (material == 15) base *= step(.5, fract((local.x + local.y + local.z) * 4.));

  vec4 q = sun_camera * vec4(world + n * .03, 1); vec3 s = q.xyz * .5 + .5;
  float lit = 1.;
  if (all(greaterThan(s, vec3(0))) && all(lessThan(s, vec3(1)))) {
    lit = texture(shadow, vec3(s.xy, s.z - .002));
  }
  float open = .55 + .45 * smoothstep(0., .6, world.z + .15 + step(.9, n.z));
  if (n.z > .9 && abs(world.z) < .02)
    open *= texture(contact, (world.xy - contact_at.xy) / contact_at.z).r;
  else if (kind.x < 9.5) open *= 1. - .35 * exp(-5. * max(ceiling - world.z, 0.));
  vec3 l = normalize(sun), mirrored = reflect(-view, n);
  vec3 light = ambient * (.68 + .32 * n.z) * open + sun_colour * max(dot(n, l), 0.) * lit;
  vec3 shine = sun_colour * (gloss * lit * pow(max(dot(n, normalize(view + l)), 0.), 24.));
  for (int i = 0; i < 3; i++) {
    vec3 d = lamps[i].xyz - world; float square = dot(d, d), scale = inversesqrt(square);
    float near = lamps[i].w / (1. + .35 * square);
    float slope = max(dot(n, d) * scale, 0.);
    light += lamp_colour * (near * slope * (.5 + .5 * lit) * (.4 + .6 * open));
    float image = max(dot(mirrored, d) * scale, 0.); image *= image; image *= image;
    image *= image; image *= image; image *= image; image *= image;
    shine += lamp_colour * (2. * gloss * gloss * min(lamps[i].w, 1.5) * image);
  }
  light *= exp(1.3 * min(world.z + .03, 0.));
  shade = vec4(pow(clamp(base * light + shine, 0., 1.), vec3(1. / 2.2)), solid);
}
"""

ID_VERTEX = """#version 330
in vec3 position; in vec4 row0; in vec4 row1; in vec4 row2; in vec4 look;
uniform mat4 camera; uniform float least;
flat out float ident;
void main() {
  vec4 p = vec4(position, 1);
  ident = look.x / 255.;
  gl_Position = camera * vec4(dot(row0, p), dot(row1, p), dot(row2, p), 1);
  if (look.x < least) gl_Position = vec4(9, 9, 9, 1);
}
"""

ID_FRAGMENT = """#version 330
flat in float ident;
layout(location = 0) out vec4 value;
void main() { value = vec4(ident); }
"""
