//===- Graph.td - The whole dialect: what attributes and documentation are made of --===//

include "dialects/graph/Elementwise.td"
include "dialects/graph/Movement.td"
include "dialects/graph/Reduction.td"
include "dialects/graph/Contraction.td"
include "dialects/graph/Window.td"
include "dialects/graph/Control.td"
include "dialects/graph/State.td"
include "dialects/graph/Quantization.td"
include "dialects/graph/Shape.td"
include "dialects/graph/Stream.td"
include "dialects/graph/Composite.td"
