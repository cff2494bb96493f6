// libtorch's random state, the GPU's memory and its speed belong to all tests together.
[assembly: DoNotParallelize]
