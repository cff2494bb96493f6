using static TorchSharp.torch;

namespace MLNet.Gpt;

/// <summary>The initial weights of the GPT papers.</summary>
internal static class GptInitializer
{
    /// <summary>
    /// Weights from N(0, σ), σ = <see cref="GptConfig.InitializerRange"/> (Radford et al. 2018, section 4.1); in a pre-norm model the
    /// projections into the residual stream from N(0, σ/√(2L)), since each of the L layers adds two of them (Radford et al. 2019,
    /// section 2.3: 1/√N for N residual layers); LayerNorm gains 1; biases 0. Drawn on the CPU, so that a seed gives the same model on
    /// every device.
    /// </summary>
    /// <param name="parameters">Receives the weights.</param>
    /// <param name="config">The shape.</param>
    /// <param name="seed">Seeds the draw; the global generator is not touched.</param>
    /// <param name="residualScale">The factor on σ for the projections into the residual stream; null for the one above.</param>
    public static void Initialize(FlatParameters parameters, GptConfig config, long seed, double? residualScale)
    {
        using var noGradient = no_grad();
        using var generator = new Generator((ulong)seed);
        double scale = residualScale ?? (config.BlockForm == GptBlockForm.PreNorm ? 1 / Math.Sqrt(2.0 * config.LayerCount) : 1);
        foreach (GptParameterInfo info in parameters.Layout)
        {
            using var scope = NewDisposeScope();
            Tensor view = parameters.ViewOf(parameters.Master, info.Name);
            switch (info.Role)
            {
                case GptParameterRole.TokenEmbedding or GptParameterRole.PositionEmbedding or GptParameterRole.Projection or GptParameterRole.TaskTokenEmbedding or GptParameterRole.HeadWeight:
                    Draw(1);
                    break;
                case GptParameterRole.ResidualProjection:
                    Draw(scale);
                    break;
                case GptParameterRole.LayerNormGain:
                    view.Fill(1);
                    break;
                case GptParameterRole.LayerNormBias or GptParameterRole.ProjectionBias or GptParameterRole.HeadBias:
                    view.Fill(0);
                    break;
                default:
                    throw new ArgumentException($"Parameter '{info.Name}' has the role {info.Role}, for which the papers give no initial value.", nameof(parameters));
            }

            void Draw(double factor) => view.copy_(empty([.. info.Shape], ScalarType.Float32).normal_(0, config.InitializerRange * factor, generator));
        }

        parameters.RefreshWorkingCopy();
    }
}
